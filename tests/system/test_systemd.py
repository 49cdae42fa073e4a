"""The units: understood by systemd, closed to everything they do not need, and still able to use the GPU.

``systemd-analyze`` answers without a running systemd. The trial on a real one, with the real daemon, runs where
NST_BATCH_SYSTEMD_SANDBOX names a program that runs a script as root on a throw-away machine with systemd.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
UNIT = ROOT / "systemd" / "nst-batch.service"
GPU_UNIT = ROOT / "systemd" / "nst-batch-gpu.service"
USER_UNIT = ROOT / "systemd" / "user" / "nst-batch.service"
EXPOSURE = 2.0
SYSTEM_PYTHON = "/usr/bin/python3"  # the service cannot see one that lies in somebody's home
SANDBOX = os.environ.get("NST_BATCH_SYSTEMD_SANDBOX", "")

pytestmark = pytest.mark.system


def can_make_environments(python: str) -> bool:
    """Whether this interpreter is there, with its venv module."""
    command = [python, "-c", "import ensurepip, venv"]
    return Path(python).exists() and subprocess.run(command, check=False, capture_output=True).returncode == 0


needs_analyze = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed (Debian: apt-get install systemd)"
)


def analyze(*arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    command = ["systemd-analyze", "--no-pager", *arguments]
    env = {**os.environ, **environ}
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60, env=env)


def settings(unit: Path) -> dict[str, list[str]]:
    """Every key of the unit with its values in order."""
    found: dict[str, list[str]] = {}
    for line in unit.read_text().splitlines():
        if match := re.match(r"(\w+)=(.*)", line):
            found.setdefault(match[1], []).append(match[2])
    return found


@needs_analyze
@pytest.mark.parametrize(
    ("unit", "scope"),
    [(UNIT, "--system"), (GPU_UNIT, "--system"), (USER_UNIT, "--user")],
    ids=["system", "gpu", "user"],
)
def test_systemd_understands_every_line(tmp_path: Path, unit: Path, scope: str) -> None:
    """No unknown key, no bad value; only the program is another, for it is not installed here."""
    text, count = re.subn(r"(?m)^ExecStart=\S+", f"ExecStart={sys.executable}", unit.read_text())
    assert count == 1
    (tmp_path / unit.name).write_text(text)
    # A user's manager has its runtime folder from the login, which a build machine has not seen.
    done = analyze(scope, "--man=no", "verify", str(tmp_path / unit.name), XDG_RUNTIME_DIR=str(tmp_path))
    complaints = [line for line in done.stderr.splitlines() if unit.name in line]
    assert complaints == []
    assert done.returncode == 0, done.stderr


@needs_analyze
def test_verify_would_find_a_mistake(tmp_path: Path) -> None:
    """The check above can fail: a key that systemd does not know is told."""
    bad = UNIT.read_text().replace("WatchdogSec=60", "WatchdogSeconds=60")
    (tmp_path / UNIT.name).write_text(re.sub(r"(?m)^ExecStart=\S+", f"ExecStart={sys.executable}", bad))
    assert "WatchdogSeconds" in analyze("--man=no", "verify", str(tmp_path / UNIT.name)).stderr


@needs_analyze
def test_exposure_is_low() -> None:
    """``systemd-analyze security`` rates the unit at 2.0 or below (of 10)."""
    done = analyze("security", "--offline=true", f"--threshold={EXPOSURE * 10:.0f}", str(UNIT))
    rating = re.search(r"Overall exposure level for nst-batch.service: ([\d.]+)", done.stdout)
    assert rating is not None, done.stderr
    assert float(rating[1]) <= EXPOSURE
    assert done.returncode == 0


def test_the_driver_s_devices_are_made_before_the_service() -> None:
    """Once, by root, after nvidia-persistenced; wanted by the service, which starts without it where it fails."""
    unit, service = settings(GPU_UNIT), settings(UNIT)
    assert unit["Type"] == ["oneshot"]
    assert unit["After"] == ["nvidia-persistenced.service"]
    assert unit["Before"] == unit["WantedBy"] == [UNIT.name]
    assert "User" not in unit
    assert {GPU_UNIT.name, "nvidia-persistenced.service"} <= set(service["After"][0].split())
    assert not {GPU_UNIT.name} & {name for key in ("Requires", "BindsTo") for name in service.get(key, [])}


@pytest.mark.parametrize("gpus", [0, 1, 3])
def test_a_device_is_made_for_each_gpu(tmp_path: Path, gpus: int) -> None:
    """The unit's own line, with a driver that pretends."""
    (line,) = settings(GPU_UNIT)["ExecStart"]
    script = re.fullmatch(r"/usr/bin/env sh -c '(.*)'", line)
    assert script is not None
    for number in range(gpus):
        (tmp_path / f"gpus/0000:0{number}:00.0").mkdir(parents=True)
    told = tmp_path / "told"
    modprobe = tmp_path / "nvidia-modprobe"
    modprobe.write_text(f'#!/bin/sh\necho "$*" >> {told}\n')
    modprobe.chmod(0o755)
    text = script[1].replace("$$", "$").replace("/proc/driver/nvidia/gpus", f"{tmp_path}/gpus")
    subprocess.run(["sh", "-c", text], env={"PATH": f"{tmp_path}:/bin:/usr/bin"}, check=True)
    assert told.read_text().splitlines() == ["-u -c 0", *(f"-c {number}" for number in range(max(gpus, 1)))]


def test_a_driver_that_makes_no_device_is_a_failed_unit(tmp_path: Path) -> None:
    """systemctl shows it; the studio starts all the same."""
    (line,) = settings(GPU_UNIT)["ExecStart"]
    script = re.fullmatch(r"/usr/bin/env sh -c '(.*)'", line)
    assert script is not None
    (tmp_path / "nvidia-modprobe").write_text("#!/bin/sh\nexit 1\n")
    (tmp_path / "nvidia-modprobe").chmod(0o755)
    done = subprocess.run(
        ["sh", "-c", script[1].replace("$$", "$")], env={"PATH": f"{tmp_path}:/bin:/usr/bin"}, check=False
    )
    assert done.returncode == 1


def test_the_gpu_and_tensorflow_still_work() -> None:
    """The devices of NVIDIA's driver are let in, and nothing is set that its libraries or oneDNN cannot bear."""
    unit = settings(UNIT)
    allowed = {value.split()[0] for value in unit["DeviceAllow"]}
    assert unit["DevicePolicy"] == ["closed"]
    assert {"/dev/nvidiactl", "/dev/nvidia-uvm", "/dev/nvidia-uvm-tools"} <= allowed
    assert {"char-nvidia", "char-nvidia-frontend", "char-nvidia-uvm", "char-nvidia-caps"} <= allowed
    assert not {"PrivateDevices", "MemoryDenyWriteExecute", "ProcSubset"} & unit.keys()


@pytest.mark.parametrize("path", [UNIT, USER_UNIT], ids=["system", "user"])
def test_the_units_keep_to_the_daemon_s_ways(path: Path) -> None:
    """Ready when it says so, fed by its loop, stopped with time for a checkpoint, not restarted for a bad config."""
    unit = settings(path)
    assert unit["Type"] == ["notify"]
    assert int(unit["WatchdogSec"][0]) == 60
    assert unit["KillMode"] == ["mixed"]
    assert int(unit["TimeoutStopSec"][0]) >= 30
    assert unit["Restart"] == ["on-failure"]
    assert unit["RestartPreventExitStatus"] == ["2 78"]
    assert unit["OOMPolicy"] == ["continue"]
    assert "HUP" in unit["ExecReload"][0]
    assert "check --no-sidecars" in unit["ExecReload"][1]  # a reload of a bad config fails for who asked for it


TRIAL = Path(__file__).with_name("service_trial.sh")
CONFIG = """\
inbox: /srv/nst_batch/inbox
outbox: /srv/nst_batch/outbox
weights: untrained
defaults: {size: 64, epochs: 2, steps_per_epoch: 3}
watch: {settle_seconds: 1}
limits: {min_free_gb: 0}
"""


def run_trial(share: Path) -> dict[str, str]:
    """Run the script on the throw-away machine; the ``KEY=VALUE`` lines that it leaves in the shared folder."""
    shutil.copy(TRIAL, share / "trial.sh")
    (share / "config.yaml").write_text(CONFIG)
    draw = "import sys; from PIL import Image; Image.linear_gradient('L').convert('RGB').save(sys.argv[1])"
    for name in ("content.png", "style.png"):
        subprocess.run([sys.executable, "-c", draw, str(share / name)], check=True)
    bring_packages(share / "wheels")
    arguments = [SANDBOX, "/bin/bash", "/run/sandbox/trial.sh", str(ROOT)]
    environ = {**os.environ, "SANDBOX_SHARE": str(share), "SANDBOX_SECONDS": "580"}
    done = subprocess.run(arguments, capture_output=True, text=True, check=False, env=environ, timeout=600)
    report = share / "report"
    assert report.exists(), f"the trial did not run: {done.stdout[-2000:]}{done.stderr[-2000:]}"
    return dict(line.split("=", 1) for line in report.read_text().splitlines() if "=" in line)


def bring_packages(folder: Path) -> None:
    """What the installation asks a package index for, since the throw-away machine has no connection."""
    subprocess.run([SYSTEM_PYTHON, "-m", "venv", str(folder)], check=True)
    requirements = ROOT / "requirements" / "run.txt"
    arguments = ["download", "--quiet", "--require-hashes", "-r", str(requirements), "-d", str(folder)]
    subprocess.run([str(folder / "bin" / "pip"), *arguments], check=True, timeout=600)


@pytest.mark.skipif(not SANDBOX, reason="NST_BATCH_SYSTEMD_SANDBOX names no throw-away machine with systemd")
@pytest.mark.skipif(
    ROOT.is_relative_to("/tmp"), reason="the throw-away machine has an empty /tmp, and this checkout lies in /tmp"
)
@pytest.mark.skipif(
    not can_make_environments(SYSTEM_PYTHON),
    reason=f"{SYSTEM_PYTHON} cannot make environments (Debian: apt-get install python3-venv)",
)
@pytest.mark.timeout(1200)
def test_the_service_on_a_real_systemd(tmp_path: Path) -> None:
    """
    Installed by one command, it paints for a colleague, survives hangs, kills and upgrades, and refuses a bad config.

    Taken away by one command, it leaves pictures, queue and config.
    """
    report = run_trial(tmp_path)
    journal = (tmp_path / "journal").read_text(errors="replace") if (tmp_path / "journal").exists() else ""
    assert report["installed"] == "0", journal
    assert report["started"] == "active", journal
    assert report["picture"] == "yes", journal
    assert report["picture_group"] == "nst-batch"
    assert (report["status"], report.get("status_names_it")) == ("0", "yes"), "a member cannot ask for the status"
    assert report.get("member_may_read") == "yes", "a member of the group cannot read the result"
    assert report.get("member_may_write") == "yes", "a member of the group cannot take the result away"
    # The demo's untrained weights are worth a note, and nothing else is but what this machine is.
    assert report["doctor"] == "0", journal
    assert int(report["doctor_ok"]) >= 12, journal
    assert "inbox" not in report["doctor_notes"].replace("as nst-batch", ""), journal
    assert report["doctor_spoilt"] == "78"
    assert (report.get("doctor_acl"), report.get("doctor_weights")) == ("yes", "yes"), journal
    assert report.get("doctor_as_member") == "asks_for_root"
    assert report["after_hang"] == "active", journal
    assert int(report["restarts"]) == 1, journal
    assert report["bad_reload"] != "0", journal
    assert report["bad_reload_state"] == "active"
    assert (report.get("bad_reload_told"), report.get("bad_reload_status")) == ("yes", "yes"), journal
    assert report["good_reload"] == "0", journal
    assert (report.get("good_reload_told"), report.get("good_reload_counts")) == ("yes", "yes"), journal
    assert report.get("reloads_touch_no_job") == "yes"
    assert report.get("after_kill") == "yes", "the job was not at work again after the daemon had been killed"
    assert report["stop_result"] == "success", journal
    assert int(report["stop_seconds"]) <= 30
    assert report.get("job_kept") == "yes", "the job that was at work when the service was stopped is gone"
    assert report["upgraded"] == "0", journal
    assert report.get("goes_on") == "yes", "the job did not go on under the new version"
    assert report.get("way_back") == "yes", "the version before was not kept"
    assert report.get("config_kept") == "yes"
    assert report["bad_config_status"] == "78"
    assert report["bad_config_restarts"] == "0"
    assert report["bad_config_state"] == "failed"
    assert report["uninstalled"] == "0"
    assert report.get("gone") == "yes"
    assert report.get("spool_left") == "yes", "the queue went with the service"
