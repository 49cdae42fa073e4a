"""Checks of the systemd unit: what it says, who may use its folders, and what a worker of it would find.

The last is asked of the program that the unit starts, in the unit's environment and as its user, by a child process.
"""

from __future__ import annotations

import grp
import json
import os
import pwd
import re
import shlex
import stat
import struct
from collections.abc import Generator, Iterator, Mapping
from pathlib import Path

from nst_batch.config.load import load_config
from nst_batch.doctor.check import Check, Machine
from nst_batch.errors import NstError
from nst_batch.names import typed

UNIT = "nst-batch.service"
_ANSWER_SECONDS, _EXAMINE_SECONDS = 20.0, 300.0
_PROPERTIES = (
    *("LoadState", "ActiveState", "SubState", "UnitFileState", "Result", "ExecMainStatus", "NeedDaemonReload"),
    *("FragmentPath", "DropInPaths", "ExecStart", "User", "Group", "UMask", "Environment", "WorkingDirectory"),
    *("ProtectSystem", "ProtectHome", "PrivateNetwork", "ReadWritePaths", "IPAddressDeny", "RestrictAddressFamilies"),
)
_HOMES = ("/home", "/root", "/run/user")
_WRITABLE_ALWAYS = ("/dev", "/proc", "/sys")
_ACL, _ENTRY = "system.posix_acl_default", struct.Struct("<HHI")  # of acl(5) as the kernel keeps it
_GROUP_OWNER, _MASK, _ALL = 0x04, 0x10, 0o7
_CHILD = """
import json, sys
from nst_batch.config.load import load_config
from nst_batch.doctor import examine
from nst_batch.doctor.check import Machine
machine = Machine()
machine.has_network = sys.argv[2] == "yes"
for check in examine(load_config(sys.argv[1] or None), machine):
    print(json.dumps(vars(check)), flush=True)
"""


def examine_service(machine: Machine | None = None) -> Iterator[Check]:
    """Each check as it is made; nothing is changed."""
    machine = machine or Machine()
    unit = _properties(machine)
    if unit is None:
        advice = "doctor --service is for machines with systemd; without --service it looks at everything else"
        yield Check("unit", "bad", "systemd does not answer here", advice)
    elif unit["LoadState"] != "loaded":
        what = f"{UNIT} is {unit['LoadState'] or 'not known'}"
        yield Check("unit", "bad", what, "sudo make install-service (docs/operations.md)")
    else:
        yield from _of_the_unit(unit, machine)


def _properties(machine: Machine) -> Mapping[str, str] | None:
    answer = machine.run(["systemctl", "show", UNIT, "--property", ",".join(_PROPERTIES)], _ANSWER_SECONDS)
    if answer is None or answer.status != 0:
        return None
    return {**dict.fromkeys(_PROPERTIES, ""), **dict(re.findall(r"^(\w+)=(.*)$", answer.out, re.MULTILINE))}


def _of_the_unit(unit: Mapping[str, str], machine: Machine) -> Iterator[Check]:
    yield _state(unit)
    yield Check("drop-ins", "ok", unit["DropInPaths"] or "none")
    found = re.search(r"path=([^ ;]+)", unit["ExecStart"])
    program = Path(found[1]) if found else Path("nst-batch")
    yield _program(program, machine)
    environ = dict(item.split("=", 1) for item in shlex.split(unit["Environment"]) if "=" in item)
    try:
        group = yield from _people(unit)
        config = load_config(environ=environ, cwd=Path(unit["WorkingDirectory"] or "/"))
    except NstError as error:
        yield Check("config", "bad", error.message, error.advice)
        return
    except KeyError as error:
        yield Check("user", "bad", f"{error.args[0]}", f"systemd-sysusers, or sudo make install-service; see {UNIT}")
        return
    yield Check("config", "ok", str(config.source or f"none in {unit['WorkingDirectory']}: the defaults apply"))
    yield _umask(unit)
    for name, path in (("inbox", config.inbox), ("outbox", config.outbox)):
        yield from _shared(name, path, group, unit)
    if config.executor == "slurm":
        yield _way_to_the_cluster(unit)
    yield from _as_the_service(unit, program, environ, config.source, machine)


def _way_to_the_cluster(unit: Mapping[str, str]) -> Check:
    """Slurm's commands speak to its controller over the network, which the unit as it comes does not let them."""
    families = unit["RestrictAddressFamilies"]
    allowed = families.startswith("~") or not families or "AF_INET" in families.split()
    if unit["PrivateNetwork"] == "yes" or unit["IPAddressDeny"] or not allowed:
        advice = "a drop-in as docs/cluster.md has it (systemctl edit nst-batch)"
        return Check(
            "network", "bad", "executor: slurm, but the unit lets nothing through to Slurm's controller", advice
        )
    return Check("network", "ok", "the unit lets Slurm's commands through to their controller")


def _state(unit: Mapping[str, str]) -> Check:
    what = f"{unit['FragmentPath']}, {unit['UnitFileState']}, {unit['ActiveState']} ({unit['SubState']})"
    if unit["ActiveState"] == "failed":
        what += f": {unit['Result']}, exit status {unit['ExecMainStatus']}"
        return Check("unit", "bad", what, "journalctl -u nst-batch -n 20 says why; then systemctl restart nst-batch")
    if unit["NeedDaemonReload"] == "yes":
        what += "; it was changed since systemd read it"
        return Check("unit", "warn", what, "systemctl daemon-reload; systemctl restart nst-batch")
    if (unit["UnitFileState"], unit["ActiveState"]) != ("enabled", "active"):
        return Check("unit", "warn", what, "systemctl enable --now nst-batch")
    return Check("unit", "ok", what)


def _program(program: Path, machine: Machine) -> Check:
    if not os.access(program, os.X_OK):
        advice = "sudo make install-service installs it; a drop-in may name another with ExecStart="
        return Check("program", "bad", f"{program} is not there, or nobody may run it", advice)
    if not machine.has_command("nst-batch"):
        return Check(
            "program", "warn", f"{program}; nst-batch is not on the PATH", f"ln -s {typed(program)} /usr/local/bin/"
        )
    return Check("program", "ok", f"{program}; nst-batch is on the PATH")


def _people(unit: Mapping[str, str]) -> Generator[Check, None, int]:
    """The unit's user and group, and who drops pictures; gives the group's number. KeyError where one is not known."""
    user = pwd.getpwnam(unit["User"] or "root")
    group = grp.getgrnam(unit["Group"]) if unit["Group"] else grp.getgrgid(user.pw_gid)
    others = sorted({*group.gr_mem, *(each.pw_name for each in pwd.getpwall() if each.pw_gid == group.gr_gid)})
    others = [name for name in others if name != user.pw_name]
    what = f"{user.pw_name} (uid {user.pw_uid}), group {group.gr_name}: {', '.join(others) or 'nobody else'}"
    if user.pw_uid == 0:
        yield Check("user", "warn", what, "it reads pictures from strangers: give it a user of its own (User=)")
    elif not others:
        yield Check("user", "warn", what, f"usermod -aG {group.gr_name} NAME, for whoever is to drop pictures")
    else:
        yield Check("user", "ok", what)
    return group.gr_gid


def _umask(unit: Mapping[str, str]) -> Check:
    mask = int(unit["UMask"] or "0022", 8)
    what, drop_in = f"{mask:04o}", "UMask=0007 in a drop-in: systemctl edit nst-batch"
    if mask & 0o070:
        return Check("umask", "warn", f"{what}: the group may not change or delete its results", drop_in)
    if mask & 0o007 != 0o007:
        return Check("umask", "warn", f"{what}: everybody on this machine may look at the results", drop_in)
    return Check("umask", "ok", what)


def _shared(name: str, path: Path, group: int, unit: Mapping[str, str]) -> Iterator[Check]:
    """Whether the unit lets the service write there, and whether what people make in there is for the whole group."""
    may_write = [item.lstrip("-+") for item in shlex.split(unit["ReadWritePaths"])] + list(_WRITABLE_ALWAYS)
    if unit["ProtectSystem"] == "strict" and not any(path.is_relative_to(place) for place in may_write):
        advice = f"in a drop-in (systemctl edit nst-batch): [Service] ReadWritePaths={path}"
        yield Check(name, "bad", f"{path}: the unit does not let the service write there", advice)
    if unit["ProtectHome"] not in ("", "no") and any(path.is_relative_to(home) for home in _HOMES):
        advice = "in a drop-in (systemctl edit nst-batch): [Service] ProtectHome=no"
        yield Check(name, "bad", f"{path}: the unit hides home folders from the service", advice)
    try:
        status, default = path.stat(), _group_by_default(path)
    except OSError as error:
        yield Check(name, "bad", f"{path}: {error.strerror}", "systemd-tmpfiles --create, or mount it")
        return
    faults = (
        (status.st_gid != group, f"belongs to group {status.st_gid}", f"chgrp {group} {typed(path)}"),
        (status.st_mode & 0o070 != 0o070, "is not the group's to write", f"chmod g+rwx {typed(path)}"),
        (not status.st_mode & stat.S_ISGID, "does not hand on its group", f"chmod g+s {typed(path)}"),
        (default != _ALL, "has no default ACL for the group", f"setfacl -d -m g::rwx,o::--- {typed(path)}"),
    )
    wrong = [(what, fix) for is_so, what, fix in faults if is_so]
    if wrong:
        what = f"{path} {', '.join(what for what, _ in wrong)}: what colleagues make in it may not be taken"
        yield Check(name, "warn", what, "; ".join(fix for _, fix in wrong))
    else:
        yield Check(name, "ok", f"{path}: shared by the group, with all that is made in it")


def _group_by_default(path: Path) -> int:
    """What the default ACL of a folder gives the group that owns it, as rwx bits; 0 where there is none."""
    try:
        data = os.getxattr(path, _ACL)
    except OSError:
        return 0
    given: dict[int, int] = {tag: rights for tag, rights, _ in _ENTRY.iter_unpack(data[4:])}
    return given.get(_GROUP_OWNER, 0) & given.get(_MASK, _ALL)


def _as_the_service(
    unit: Mapping[str, str], program: Path, environ: Mapping[str, str], config: Path | None, machine: Machine
) -> Iterator[Check]:
    """Everything that doctor looks at, asked as the unit's user of the program that the unit starts."""
    user = pwd.getpwnam(unit["User"] or "root")
    if os.geteuid() not in (0, user.pw_uid):
        yield Check(
            "the rest", "warn", f"what {user.pw_name} sees is for root to ask", "sudo nst-batch doctor --service"
        )
        return
    become = ["runuser", "-u", user.pw_name, "--"] if os.geteuid() != user.pw_uid else []
    assigned = [f"{key}={value}" for key, value in {"HOME": user.pw_dir, **environ}.items()]
    network = "no" if unit["PrivateNetwork"] == "yes" else "yes"
    python = [str(program.parent / "python"), "-c", _CHILD, str(config or ""), network]
    answer = machine.run(
        [*become, "env", "-i", f"--chdir={unit['WorkingDirectory'] or '/'}", "PATH=/usr/bin:/bin", *assigned, *python],
        _EXAMINE_SECONDS,
    )
    checks = [json.loads(line) for line in (answer.out if answer else "").splitlines() if line.startswith("{")]
    for check in checks:
        yield Check(f"as {user.pw_name}: {check['name']}", check["state"], check["what"], check["advice"])
    if answer is None or answer.status != 0:
        last = (answer.err.strip() or "no answer").splitlines()[-1] if answer else "no answer in time"
        yield Check(
            "the rest", "bad", f"{program} cannot be asked as {user.pw_name}: {last}", "sudo make install-service"
        )
