"""A Slurm cluster of its own on the loopback: munge, one controller, several nodes, each an ordinary process."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Self

from far_host import NEAR, FarHost

if TYPE_CHECKING:
    import pytest
    from kill_house import KillHouse

NEEDED = ("munged", "slurmctld", "slurmd", "sbatch")
DEAD_AFTER_SECONDS = 10  # of silence, before the controller gives a node up

_CONFIG = """\
ClusterName=test
SlurmctldHost=localhost({address})
SlurmctldPort={controller_port}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={root}/munge/socket
CredType=cred/munge
SlurmctldPidFile={root}/controller.pid
SlurmctldLogFile={root}/controller.log
StateSaveLocation={root}/state
SlurmdPidFile={root}/%n.pid
SlurmdLogFile={root}/%n.log
SlurmdSpoolDir={root}/%n.spool
ProctrackType=proctrack/pgid
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerParameters=batch_sched_delay=0,sched_interval=2,bf_interval=2
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
MpiDefault=none
SwitchType=switch/none
ReturnToService=2
SlurmdParameters=config_overrides
SlurmdTimeout={dead_after}
MessageTimeout=10
KillWait=5
MailProg=/bin/true
PreemptType=preempt/partition_prio
PreemptMode=CANCEL
"""


def missing() -> str:
    """What is not installed here of what a cluster needs; "" where all is."""
    lacking = [name for name in NEEDED if _program(name) is None]
    return f"{', '.join(lacking)} not installed (Debian: slurm-wlm, munge)" if lacking else ""


def _program(name: str) -> str | None:
    return shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")


class Cluster:
    """Started by :meth:`start`, and ended for certain by :meth:`end`; ``with`` does both."""

    def __init__(
        self, root: Path, nodes: tuple[str, ...] = ("n1", "n2"), cpus: int = 1, far: Mapping[str, FarHost] | None = None
    ) -> None:
        """``far``: the hosts of the nodes that are not on this one."""
        self.root = root
        self._far = far or {}
        self.nodes = nodes
        self._cpus = cpus
        self._config = root / "slurm.conf"
        self._processes: dict[str, subprocess.Popen[bytes]] = {}

    @property
    def environment(self) -> dict[str, str]:
        """What Slurm's commands need to find this cluster."""
        return {"SLURM_CONF": str(self._config)}

    def start(self) -> None:
        """Start everything, and wait until the nodes are there."""
        munge = self.root / "munge"
        munge.mkdir(parents=True, mode=0o711)
        (self.root / "state").mkdir()
        key = munge / "key"
        key.write_bytes(os.urandom(1024))
        key.chmod(0o400)
        self._config.write_text(self._configuration())
        names = {"--socket": "socket", "--key-file": "key", "--pid-file": "pid", "--log-file": "log"}
        options = [f"{option}={munge / name}" for option, name in (*names.items(), ("--seed-file", "seed"))]
        self._spawn("munged", "munged", "--foreground", "--force", *options)
        self._wait((munge / "socket").exists, "munge's socket")
        self.start_controller()
        for node in self.nodes:
            self.start_node(node)
        self._wait(lambda: self._idle() == set(self.nodes), "idle nodes")

    def _configuration(self) -> str:
        ports = _free_ports(1 + len(self.nodes))
        user = os.environ.get("USER") or subprocess.check_output(["id", "-un"], text=True).strip()
        address = NEAR if self._far else "127.0.0.1"
        head = _CONFIG.format(
            root=self.root, address=address, controller_port=ports[0], user=user, dead_after=DEAD_AFTER_SECONDS
        )
        host = socket.gethostname()
        lines = [
            f"NodeName={node} NodeHostname={host} NodeAddr={self._address(node)} Port={port} CPUs={self._cpus} "
            "RealMemory=4000"
            for node, port in zip(self.nodes, ports[1:], strict=True)
        ]
        everyone = ",".join(self.nodes)
        lines += [
            f"PartitionName=main Nodes={everyone} Default=YES MaxTime=INFINITE PriorityTier=1",
            f"PartitionName=urgent Nodes={everyone} MaxTime=INFINITE PriorityTier=9",
        ]
        return head + "\n".join(lines) + "\n"

    def _address(self, node: str) -> str:
        return self._far[node].address if node in self._far else "127.0.0.1"

    def start_controller(self) -> None:
        """Start the controller, or start it again where it left off."""
        self._spawn("controller", "slurmctld", "-D", "-f", str(self._config))

    def stop_controller(self) -> None:
        """End it; what runs on the nodes runs on."""
        self._end("controller", signal.SIGKILL)

    def start_node(self, node: str) -> None:
        """Start one node's daemon."""
        prefix = self._far[node].prefix if node in self._far else []
        self._spawn(node, "slurmd", "-D", "-f", str(self._config), "-N", node, prefix=prefix)

    def kill_node(self, node: str) -> None:
        """As a power cut: its daemon and whatever runs on it are gone in a moment."""
        ours = self._on_node(node)
        self._end(node, signal.SIGKILL)
        for pid in ours:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue

    def _on_node(self, node: str) -> list[int]:
        """The processes of jobs that run there, and Slurm's keepers of them, the keepers first."""
        found = []
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                environment = (folder / "environ").read_bytes().split(b"\0")
                parent = (folder / "stat").read_text().rpartition(")")[2].split()[1]
                keeper = (Path("/proc") / parent / "cmdline").read_bytes()
            except OSError:
                continue
            wanted = {f"SLURM_CONF={self._config}".encode(), f"SLURMD_NODENAME={node}".encode()}
            if wanted <= set(environment):
                found += [int(parent), int(folder.name)] if keeper.startswith(b"slurmstepd") else [int(folder.name)]
        return found

    def ask(self, *command: str) -> str:
        """What one of Slurm's commands prints."""
        return subprocess.run(
            command, env={**os.environ, **self.environment}, capture_output=True, text=True, check=True, timeout=60
        ).stdout

    def jobs(self) -> dict[str, str]:
        """The state of every job that the controller knows, by its number."""
        lines = self.ask("squeue", "--states=all", "--noheader", "--format=%A|%T").split()
        return dict(line.split("|") for line in lines)

    def _idle(self) -> set[str]:
        try:
            lines = self.ask("sinfo", "--Node", "--noheader", "--format=%N|%T").split()
        except subprocess.CalledProcessError:
            return set()
        return {name for name, state in (line.split("|") for line in lines) if state == "idle"}

    def _spawn(self, name: str, program: str, *arguments: str, prefix: Sequence[str] = ()) -> None:
        path = _program(program)
        assert path is not None
        with (self.root / f"{name}.out").open("ab") as out:
            self._processes[name] = subprocess.Popen(
                [*prefix, path, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                env={**os.environ, **self.environment},
                start_new_session=True,
            )

    def _end(self, name: str, number: signal.Signals) -> None:
        process = self._processes.pop(name)
        process.send_signal(number)
        process.wait()

    def _wait(self, condition: Callable[[], bool], what: str, seconds: float = 60.0) -> None:
        end = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > end:
                logs = "\n".join(path.read_text(errors="replace")[-2000:] for path in self.root.glob("*.out"))
                raise TimeoutError(f"no {what} within {seconds:g} s\n{logs}")
            time.sleep(0.2)

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.end()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    @contextlib.contextmanager
    def houses(self, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[KillHouse]]:
        """A list for houses whose daemons hand their jobs to this cluster; they end with it, and their workers."""
        for key, value in self.environment.items():
            monkeypatch.setenv(key, value)
        houses: list[KillHouse] = []
        yield houses
        for house in houses:
            house.end()
        self.ask("scancel", "--me")  # warm workers would keep the nodes from the next test for a while

    def end(self) -> None:
        """End every process of the cluster."""
        for node in self.nodes:
            if node in self._processes:
                self.kill_node(node)
        for name in list(self._processes):
            self._end(name, signal.SIGKILL)


def _free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    try:
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]
    finally:
        for one in sockets:
            one.close()
