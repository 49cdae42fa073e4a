"""A second host on one machine: a network namespace at the end of a wire, and over that wire a mount of one folder.

The mount (sshfs, straight to an SFTP server) is as a network file system in what matters: attributes are cached, there
are no locks between hosts, and no host hears events of what the other writes.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

NEAR, FAR = "10.213.77.1", "10.213.77.2"
WIRE = "nstb-near"
SFTP_SERVER = "/usr/lib/openssh/sftp-server"


def why_not() -> str:
    """Why no such host can be made here; "" where it can."""
    lacking = [name for name in ("unshare", "nsenter", "ip", "sshfs") if shutil.which(name) is None]
    lacking += [] if Path(SFTP_SERVER).exists() else ["sftp-server"]
    if lacking:
        return f"{', '.join(lacking)} not installed (Debian: iproute2, sshfs, openssh-sftp-server)"
    if os.geteuid() != 0:
        return "network namespaces and mounts need root"
    if not os.access("/dev/fuse", os.W_OK):
        return "no /dev/fuse"
    tried = subprocess.run(["unshare", "--net", "--mount", "true"], capture_output=True, text=True, check=False)
    return "" if tried.returncode == 0 else f"no namespaces: {tried.stderr.strip()}"


class FarHost:
    """A context: the host is there within. ``folder`` lies on this host's disk, and there at the same path."""

    address = FAR

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._pid = 0
        self._stack = ExitStack()

    def __enter__(self) -> FarHost:
        """Start it."""
        with ExitStack() as stack:
            # A process holds the namespaces; with it the far end of the wire goes, and the near one with that.
            holder = stack.enter_context(_ended(["unshare", "--net", "--mount", "sleep", "infinity"]))
            self._pid = holder.pid
            _until(lambda: self._namespace() != Path("/proc/self/ns/mnt").readlink(), "namespaces")
            _run("ip", "link", "add", WIRE, "type", "veth", "peer", "name", "wire", "netns", str(self._pid))
            stack.callback(subprocess.run, ["ip", "link", "delete", WIRE], check=False, capture_output=True)
            _run("ip", "address", "add", f"{NEAR}/30", "dev", WIRE)
            self.mend()
            _run(*self.prefix, "ip", "address", "add", f"{FAR}/30", "dev", "wire")
            for device in ("wire", "lo"):
                _run(*self.prefix, "ip", "link", "set", device, "up")
            server = stack.enter_context(_Server())
            place = ["-o", f"directport={server.port}", f"{NEAR}:{self.folder}", str(self.folder)]
            stack.enter_context(_ended([*self.prefix, "sshfs", "-f", *place]))
            stack.callback(subprocess.run, [*self.prefix, "umount", "-l", str(self.folder)], check=False)
            here = self.folder.stat().st_dev
            _until(lambda: int(self.ask("stat", "-c", "%d", str(self.folder))) != here, "mount")
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        """End it, with what runs there."""
        self._stack.close()

    @property
    def prefix(self) -> list[str]:
        """What in front of a command has it run there."""
        return ["nsenter", "--target", str(self._pid), "--net", "--mount"]

    def ask(self, *command: str) -> str:
        """What a command prints there."""
        return subprocess.run([*self.prefix, *command], capture_output=True, text=True, check=True).stdout

    def _namespace(self) -> Path:
        return Path(f"/proc/{self._pid}/ns/mnt").readlink()

    def processes(self, word: str) -> list[int]:
        """Those that run there and have this word in their command."""
        found = []
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                is_there = (folder / "ns/mnt").readlink() == self._namespace()
                if is_there and word in (folder / "cmdline").read_text(errors="replace"):
                    found.append(int(folder.name))
            except OSError:
                continue
        return found

    def cut(self) -> None:
        """Nothing goes over the wire any more; what runs there runs on."""
        _run("ip", "link", "set", WIRE, "down")

    def mend(self) -> None:
        """The wire is whole again."""
        _run("ip", "link", "set", WIRE, "up")


class _Server:
    """Serves this host's files to whoever comes over the wire."""

    def __enter__(self) -> _Server:
        self._socket = socket.create_server((NEAR, 0))
        self.port = self._socket.getsockname()[1]
        self._sessions: list[subprocess.Popen[bytes]] = []
        threading.Thread(target=self._serve, daemon=True).start()
        return self

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            with connection:
                self._sessions.append(subprocess.Popen([SFTP_SERVER], stdin=connection, stdout=connection))

    def __exit__(self, *_: object) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        for session in self._sessions:
            session.kill()
            session.wait()


class _ended:  # noqa: N801 - used as a function
    """A process that is ended with the context."""

    def __init__(self, command: list[str]) -> None:
        self._command = command

    def __enter__(self) -> subprocess.Popen[bytes]:
        self._process = subprocess.Popen(self._command, stdin=subprocess.DEVNULL, start_new_session=True)
        return self._process

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()


def _run(*command: str) -> None:
    subprocess.run(command, check=True)


def _until(condition: Callable[[], bool], what: str) -> None:
    end = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < end, f"no {what}"
        time.sleep(0.05)
