"""doctor --service: what the unit says, who may use its folders, and what the service itself would find."""

from __future__ import annotations

import grp
import json
import os
import pwd
import stat
import struct
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from nst_batch.child import Answer
from nst_batch.cli import main
from nst_batch.doctor.check import Check, Machine
from nst_batch.doctor.service import examine_service

ME, MY_GROUP = pwd.getpwuid(os.geteuid()), grp.getgrgid(os.getegid())


class Fake(Machine):
    """A machine whose systemd shows these properties, and whose service answers so."""

    def __init__(
        self, shown: Mapping[str, str] | None, answer: Answer | None = None, path: tuple[str, ...] = ()
    ) -> None:
        self.shown = shown
        self.answer = answer or Answer(0, "", "")
        self.path = path
        self.asked: list[Sequence[str]] = []

    def run(self, command: Sequence[str], seconds: float, environ: Mapping[str, str] | None = None) -> Answer | None:
        if command[0] != "systemctl":
            self.asked.append(command)
            return self.answer
        if self.shown is None:
            return None
        return Answer(0, "".join(f"{key}={value}\n" for key, value in self.shown.items()), "")

    def has_command(self, name: str) -> bool:
        return name in self.path


@pytest.fixture
def unit(tmp_path: Path) -> dict[str, str]:
    """A unit as installed, for this user, whose folders lie in ``tmp_path`` and are shared by the group."""
    (tmp_path / "bin").mkdir()
    for name in ("nst-batch", "python"):
        (tmp_path / "bin" / name).write_text("#!/bin/sh\n")
        (tmp_path / "bin" / name).chmod(0o755)
    for name in ("inbox", "outbox"):
        (tmp_path / name).mkdir()
        share(tmp_path / name)
    (tmp_path / "config.yaml").write_text("weights: untrained\n")
    return {
        "LoadState": "loaded",
        "ActiveState": "active",
        "SubState": "running",
        "UnitFileState": "enabled",
        "NeedDaemonReload": "no",
        "FragmentPath": "/etc/systemd/system/nst-batch.service",
        "ExecStart": f"{{ path={tmp_path}/bin/nst-batch ; argv[]={tmp_path}/bin/nst-batch run ; }}",
        "User": ME.pw_name,
        "Group": MY_GROUP.gr_name,
        "UMask": "0007",
        "Environment": f"NST_BATCH_CONFIG={tmp_path}/config.yaml KERAS_HOME=/var/lib/nst_batch",
        "WorkingDirectory": str(tmp_path),
        "ProtectSystem": "strict",
        "ProtectHome": "no",
        "PrivateNetwork": "yes",
        "ReadWritePaths": str(tmp_path),
    }


def share(folder: Path, rights: int = 7) -> None:
    """setgid, the group's to write, and a default ACL for it; skipped where the file system has none."""
    folder.chmod(0o2770)
    entries = [(0x01, 7), (0x04, rights), (0x20, 0)]
    data = struct.pack("<I", 2) + b"".join(struct.pack("<HHI", tag, given, 0xFFFFFFFF) for tag, given in entries)
    try:
        os.setxattr(folder, "system.posix_acl_default", data)
    except OSError as error:
        pytest.skip(f"no ACLs here: {error}")


def found(unit: Mapping[str, str] | None, answer: Answer | None = None) -> dict[str, Check]:
    checks = list(examine_service(Fake(unit, answer, ("nst-batch",))))
    assert all(check.advice for check in checks if check.state != "ok")
    return {check.name: check for check in checks}


def test_a_unit_as_installed_is_fine(unit: dict[str, str]) -> None:
    """Its state, its program, its config, its umask and both folders."""
    checks = found(unit)
    assert [checks[name].state for name in ("unit", "drop-ins", "program", "config", "umask", "inbox", "outbox")] == [
        "ok"
    ] * 7
    assert f"group {MY_GROUP.gr_name}" in checks["user"].what


@pytest.mark.parametrize(
    ("other", "name", "state", "what"),
    [
        ({"LoadState": "not-found"}, "unit", "bad", "is not-found"),
        (
            {"ActiveState": "failed", "Result": "exit-code", "ExecMainStatus": "78"},
            "unit",
            "bad",
            "exit-code, exit status 78",
        ),
        ({"NeedDaemonReload": "yes"}, "unit", "warn", "changed since systemd read it"),
        ({"UnitFileState": "disabled"}, "unit", "warn", "disabled"),
        ({"DropInPaths": "/etc/systemd/system/nst-batch.service.d/override.conf"}, "drop-ins", "ok", "override.conf"),
        ({"ExecStart": "{ path=/opt/gone/bin/nst-batch ; }"}, "program", "bad", "/opt/gone/bin/nst-batch is not there"),
        ({"User": "nobody-of-that-name"}, "user", "bad", "nobody-of-that-name"),
        ({"Environment": "NST_BATCH_CONFIG=/gone/config.yaml"}, "config", "bad", "/gone/config.yaml"),
        ({"UMask": "0077"}, "umask", "warn", "the group may not"),
        ({"UMask": "0002"}, "umask", "warn", "everybody"),
        ({"ReadWritePaths": "/srv/nst_batch"}, "inbox", "bad", "does not let the service write there"),
    ],
)
def test_what_is_wrong_with_the_unit_is_told(
    unit: dict[str, str], other: dict[str, str], name: str, state: str, what: str
) -> None:
    """Each with what to do about it."""
    checks = [check for check in examine_service(Fake({**unit, **other}, path=("nst-batch",))) if check.name == name]
    assert (checks[0].state, what in checks[0].what) == (state, True), checks
    assert checks[0].advice or state == "ok"


def test_folders_that_colleagues_cannot_use_are_told(unit: dict[str, str], tmp_path: Path) -> None:
    """No default ACL, none for the group, no setgid, not writable, gone."""
    os.removexattr(tmp_path / "inbox", "system.posix_acl_default")
    assert "no default ACL" in found(unit)["inbox"].what
    share(tmp_path / "inbox", rights=5)
    assert "setfacl -d -m g::rwx" in found(unit)["inbox"].advice
    (tmp_path / "outbox").chmod(0o750)
    assert stat.S_IMODE((tmp_path / "outbox").stat().st_mode) == 0o750
    assert "not the group's to write, does not hand on its group" in found(unit)["outbox"].what
    (tmp_path / "outbox").rmdir()
    assert found(unit)["outbox"].state == "bad"


def test_the_service_is_asked_itself(unit: dict[str, str]) -> None:
    """In its environment, without a network where it has none; what it finds is told as its own."""
    said = {"name": "weights", "state": "bad", "what": "none", "advice": "put them there"}
    machine = Fake(unit, Answer(0, "a remark\n" + json.dumps(said) + "\n", ""), ("nst-batch",))
    checks = list(examine_service(machine))
    assert checks[-1] == Check(f"as {ME.pw_name}: weights", "bad", "none", "put them there")
    (command,) = machine.asked
    assert "KERAS_HOME=/var/lib/nst_batch" in command
    assert command[-1] == "no"
    assert command[-5].endswith("/bin/python")
    broken = found(unit, Answer(1, "", "ModuleNotFoundError: No module named 'nst_batch'\n"))
    assert "No module named" in broken["the rest"].what


def test_a_machine_without_systemd_says_so(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """And no other config than the unit's can be asked about."""
    assert found(None)["unit"].state == "bad"
    monkeypatch.setenv("PATH", "/nowhere")
    assert main(["doctor", "--service"]) == 78
    assert "systemd does not answer" in capsys.readouterr().out
    assert main(["doctor", "--service", "--config", "x.yaml"]) == 2


@pytest.mark.parametrize(
    ("other", "state"),
    [
        ({}, "bad"),
        ({"PrivateNetwork": "no", "RestrictAddressFamilies": "AF_UNIX"}, "bad"),
        ({"PrivateNetwork": "no", "IPAddressDeny": "::/0 0.0.0.0/0"}, "bad"),
        ({"PrivateNetwork": "no", "RestrictAddressFamilies": "AF_INET AF_INET6 AF_UNIX"}, "ok"),
        ({"PrivateNetwork": "no", "RestrictAddressFamilies": "~AF_PACKET"}, "ok"),
    ],
)
def test_a_service_without_a_network_reaches_no_cluster(
    unit: dict[str, str], other: dict[str, str], state: str
) -> None:
    """Slurm's commands speak to a controller; the unit as it comes does not let them."""
    config = Path(unit["WorkingDirectory"]) / "config.yaml"
    config.write_text("weights: untrained\nexecutor: slurm\n")
    assert found({"IPAddressDeny": "", **unit, **other})["network"].state == state
    config.write_text("weights: untrained\n")
    assert "network" not in found(unit)
