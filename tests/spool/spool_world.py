"""A small world for the spool's tests: real folders, a clock that is set by hand, a worker of three lines."""

from __future__ import annotations

import json
import os
from collections import Counter
from pathlib import Path

from nst_batch.clock import Moment
from nst_batch.config.load import Config, parse_config
from nst_batch.spool.claims.live_job import Ended, Job
from nst_batch.spool.commands import retry_jobs
from nst_batch.spool.disk.fs import FileSystem
from nst_batch.spool.disk.lock import Lock
from nst_batch.spool.inbox.inbox import InboxView
from nst_batch.spool.spool import Spool
from nst_batch.turn import Turn

NEVER = 1e12


class KillSwitch(BaseException):
    """Stands for kill -9: nothing in the program may catch it."""


class StepLog:
    """Notes the steps; kills at the ``at``-th of all."""

    def __init__(self, at: int | None = None) -> None:
        self.names: list[str] = []
        self.at = at

    def __call__(self, name: str) -> None:
        self.names.append(name)
        if self.at is not None and len(self.names) == self.at:
            raise KillSwitch(name)


def retry_job(config: Config, name: str, fs: FileSystem | None = None) -> Path:
    """Put one failed job back; its folder in the inbox."""
    ((_, folder),) = retry_jobs(config, (name,), fs)
    return folder


class World:
    """One inbox and outbox, with a daemon that can be killed and started again."""

    def __init__(self, root: Path, config: str = "", outbox: Path | None = None) -> None:
        self.root = root
        self.mono, self.wall = 1000.0, 1_700_000_000.0
        text = "limits: {min_free_gb: 0}\n" + config
        self.config: Config = parse_config(text, root / "config.yaml")
        if outbox is not None:
            self.config = self.config.model_copy(update={"outbox": outbox})
        self.inbox, self.outbox = self.config.inbox, self.config.outbox
        self.fs = FileSystem()
        self.spool = self.new_spool()
        self.notes: list[str] = []

    def new_spool(self, fs: FileSystem | None = None) -> Spool:
        self.fs = fs or FileSystem()
        return Spool(self.config, self.fs)

    # --- time -------------------------------------------------------------------------------------------

    @property
    def at(self) -> Moment:
        return Moment(self.mono, self.wall)

    def later(self, seconds: float) -> Moment:
        self.mono += seconds
        self.wall += seconds
        return self.at

    # --- people -----------------------------------------------------------------------------------------

    def put(self, path: str, data: bytes | str = b"picture") -> Path:
        target = self.inbox / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data.encode() if isinstance(data, str) else data)
        return target

    def pair(self, name: str, extra: str = "", content: str | None = None, style: str | None = None) -> Path:
        content = content or f"{name}-content.jpg"
        style = style or f"{name}-style.jpg"
        folder = f"{name.rpartition('/')[0]}/" if "/" in name else ""
        content, style = content.rpartition("/")[2], style.rpartition("/")[2]
        self.put(folder + content, f"content of {name}")
        self.put(folder + style, f"style of {name}")
        return self.put(f"{name}.yaml", f"content: {content}\nstyle: {style}\n{extra}")

    # --- the daemon -------------------------------------------------------------------------------------

    def start(self, fs: FileSystem | None = None) -> list[Ended]:
        """A daemon starts: the one before is gone, with its lock."""
        self.stop()
        self.spool = self.new_spool(fs)
        self.spool.open(self.at)
        recovery = self.spool.recover(self.at)
        self.notes += recovery.notes
        return list(recovery.ended)

    def stop(self) -> None:
        """The daemon's process ends; a killed one only loses its lock."""
        self.spool.attachment.release()

    def look(self, seconds: float = 0.0) -> InboxView:
        if seconds:
            self.notes += self.spool.look(self.at).notes
            self.later(seconds)
        view = self.spool.look(self.at)
        self.notes += view.notes
        return view

    def settle(self) -> InboxView:
        """Look until what lies there has been still for long enough."""
        return self.look(6.0)

    def settle_without_reading(self) -> None:
        """What lies there has been still for long enough, and nobody has looked since."""
        self.notes += self.spool.look(self.at).notes
        self.later(6.0)

    def sweep(self) -> list[Ended]:
        return list(self.spool.sweep(self.at))

    def pair_at_work(self) -> Job:
        """A pair, ``a``, in a worker's hands."""
        self.pair("a")
        self.settle()
        handout = self.hand_out_next()
        assert handout is not None
        return handout

    def hand_out_next(self) -> Job | None:
        job = self.spool.take(self.at)
        return None if job is None else self.spool.hand_out(job)

    def work(self, handout: Job) -> None:
        """What a worker leaves behind."""
        title = handout.title
        (handout.running / f"{title}.png").write_bytes(b"result " + handout.id.encode())
        (handout.running / "loss.json").write_text("{}")
        (handout.folder / "outcome.json").write_text('{"state": "done"}')

    def finish(self, job: Job) -> Ended:
        text = json.dumps({"id": job.id, "title": job.title, "state": "done"}).encode()
        return self.spool.finish(self.spool.job(job.id), "done", {"job.json": text})

    def paint_next(self) -> Ended:
        """The next job from its handing out to its end."""
        handout = self.hand_out_next()
        assert handout is not None
        self.work(handout)
        return self.finish(handout)

    def run_all(self) -> list[Ended]:
        """Everything that can be done, as the daemon's loop would do it."""
        ended: list[Ended] = []
        for _ in range(50):
            view = self.look(400.0)
            ended += self.spool.sweep(self.at)
            for job in self.spool.jobs():
                if job.outcome is not None and not job.given:
                    ended.append(self.finish(job))
            while (handout := self.hand_out_next()) is not None:
                self.work(handout)
                ended.append(self.finish(handout))
            ended += self.spool.sweep(self.at)
            if not (view.ready or view.broken or view.controls or self.spool.jobs()):
                break
        self.spool.clear_up(self.at, Turn())
        return ended

    # --- the books --------------------------------------------------------------------------------------

    def finished(self) -> dict[str, Path]:
        """Every finished folder by its path below the outbox."""
        found = {}
        for folder, folders, files in os.walk(self.outbox):
            path = Path(folder)
            if path == self.outbox:
                folders[:] = [name for name in folders if name not in ("running", "failed")]
            if "job.json" in files:
                found[path.relative_to(self.outbox).as_posix()] = path
                folders.clear()
        return found

    def failed(self) -> dict[str, Path]:
        folder = self.outbox / "failed"
        return {path.name: path for path in folder.iterdir()} if folder.exists() else {}

    def claims(self) -> list[Path]:
        folder = self.inbox / ".nst_batch/claims"
        return sorted(folder.iterdir()) if folder.exists() else []

    def inbox_files(self) -> set[str]:
        """What people see in the inbox."""
        return {
            path.relative_to(self.inbox).as_posix()
            for path in self.inbox.rglob("*")
            if path.is_file() and ".nst_batch" not in path.parts
        }

    def left_over(self) -> set[str]:
        """What is of no use any more: half-built, half-written, on its way out."""
        found = {path for root in (self.inbox, self.outbox) for path in root.rglob("*")}
        trash = {self.outbox / "running/.trash", self.inbox / ".nst_batch/trash"}
        useless = {path for path in found if path.name.startswith(".new-") or path.suffix == ".tmp"}
        useless |= {path for path in found if path.parent in trash}
        return {path.relative_to(self.root).as_posix() for path in useless}

    def counted(self) -> Counter[str]:
        """How often each title has an end."""
        titles = [json.loads((path / "job.json").read_bytes())["title"] for path in self.finished().values()]
        titles += [json.loads((path / "job.json").read_bytes())["title"] for path in self.failed().values()]
        return Counter(titles)

    def results(self) -> dict[str, dict[str, bytes]]:
        """Everything in each ended job's folder but what tells the run, by title."""
        found = {}
        for path in (*self.finished().values(), *self.failed().values()):
            title = json.loads((path / "job.json").read_bytes())["title"]
            files = [item for item in sorted(path.rglob("*")) if item.is_file() and item.name != "job.json"]
            found[title] = {
                item.relative_to(path).as_posix(): b"" if item.suffix == ".png" else item.read_bytes() for item in files
            }
        return found

    def check_books(self, titles: set[str]) -> None:
        """Each job in exactly one place, whole; nothing left over."""
        assert self.counted() == Counter(dict.fromkeys(titles, 1))
        for path in (*self.finished().values(), *self.failed().values()):
            names = {item.name for item in path.iterdir()}
            assert "job.json" in names
            assert "input" in names
            assert not any(name.startswith(".") for name in names), names
            assert any(item.suffix in (".yaml", ".yml") for item in (path / "input").iterdir())
        assert self.claims() == []
        running = [path.name for path in (self.outbox / "running").iterdir() if path.name != ".trash"]
        assert running == []


def held(lock: Lock | None) -> Lock:
    assert lock is not None
    return lock


def handed_out(root: Path, disk: FileSystem | None = None) -> tuple[World, Job]:
    """A world whose one pair, ``a``, is in a worker's hands."""
    world = World(root)
    world.start(disk)
    return world, world.pair_at_work()
