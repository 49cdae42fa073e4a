"""The key ``slurm``: what would break a cluster's worker quietly is told before it does."""

from __future__ import annotations

from pathlib import Path

import pytest

from nst_batch.config.load import Config, parse_config
from nst_batch.daemon.slurm.commands import options_of
from nst_batch.errors import NstError

PATH = Path("/studio/config.yaml")


def read(text: str) -> Config:
    return parse_config(text, PATH)


@pytest.mark.parametrize(
    "option",
    [
        *("--job-name=x", "--job=x", "-Jx", "-J", "--output=log", "--out=log", "-o", "--array=1-4", "-a1-4"),
        *("--requeue", "--signal=INT@5", "--chdir=/x", "-D/x", "--wrap=true", "--wait", "-W", "--test-only", "-Q"),
    ],
)
def test_options_of_its_own_are_refused(option: str) -> None:
    """Whole, shortened or with their value attached, as sbatch takes them."""
    with pytest.raises(NstError, match="nst_batch's own"):
        read(f"slurm: {{arguments: ['{option}']}}")


def test_other_options_are_passed_on() -> None:
    """In their order, after those of the keys."""
    options = ["--constraint=a100", "-C", "a100", "--qos=night", "--nodelist=n1", "--exclude=n2", "--comment=-o"]
    config = read(f"slurm: {{arguments: {options}}}")
    assert options_of(config.slurm)[-len(options) :] == options


@pytest.mark.parametrize(("limit", "minutes"), [("1h", 60), ("150", 3), ("10m", 10), ("121", 3)])
def test_a_limit_is_never_shorter_than_asked_for(limit: str, minutes: int) -> None:
    """Slurm counts minutes."""
    assert f"--time={minutes}" in options_of(read(f"slurm: {{time_limit: {limit}}}").slurm)


def test_a_warning_comes_before_the_limit_and_after_the_beginning() -> None:
    """Or a worker would be told to end as soon as it begins."""
    with pytest.raises(NstError, match="warn_seconds: must be shorter than time_limit, which is 60 seconds"):
        read("slurm: {time_limit: 60}")
    assert read("slurm: {time_limit: 60, warn_seconds: 20}").slurm.warn_seconds == 20


@pytest.mark.parametrize(
    ("text", "is_well"),
    [
        ("slurm: {gpus: 0}\ndevice: cpu", True),
        ("device: gpu", True),
        ("device: auto", True),
        ("device: cpu", False),
        ("slurm: {gpus: 0}\ndevice: gpu", False),
        ("device: [0, 1]", False),
    ],
)
def test_the_device_of_this_machine_is_not_the_nodes(text: str, is_well: bool) -> None:
    """What contradicts ``gpus`` is an error rather than passed over."""
    if is_well:
        read(f"executor: slurm\n{text}")
    else:
        with pytest.raises(NstError, match="device"):
            read(f"executor: slurm\n{text}")
    read(f"executor: local\n{text}")
