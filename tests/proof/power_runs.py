"""Runs of the spool to cut the power in: drawn by a seed, with a worker that writes as the real one does."""

from __future__ import annotations

import json
import random
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import yaml
from power_cut import Layout, Recorder, Recording, build
from spool_world import World, retry_job

from nst_batch.reasons import SIDECAR_NOT_TAKEN, Reason
from nst_batch.spool.claims.attempts import RunFailure
from nst_batch.spool.claims.live_job import Ended, Job
from nst_batch.spool.commands import look_from_outside
from nst_batch.spool.inbox.control import write_control

CHECKPOINT = b"one epoch done"
KINDS = ("plain", "grid", "output", "broken", "missing", "plain", "shared")


@dataclass
class Plan:
    """What is dropped and what is done: titles by sidecar, the files of each job, the disturbances."""

    after: str = "archive"
    files: dict[str, bytes] = field(default_factory=dict)
    titles: dict[str, list[str]] = field(default_factory=dict)  # by sidecar
    inputs: dict[str, set[str]] = field(default_factory=dict)  # by title: what must lie in its input folder
    never_run: set[str] = field(default_factory=set)
    dies: set[str] = field(default_factory=set)
    stopped: set[str] = field(default_factory=set)  # the daemon stops while these run
    cancelled: set[str] = field(default_factory=set)
    retried: set[str] = field(default_factory=set)

    @property
    def all_titles(self) -> set[str]:
        return {title for titles in self.titles.values() for title in titles}


def draw_plan(seed: int) -> Plan:
    """A run: two or three sidecars of every kind, and what befalls their jobs."""
    luck = random.Random(seed)
    plan = Plan(after=luck.choice(("archive", "archive", "keep", "delete")))
    for number in range(luck.choice((1, 2, 3))):
        add_pair(plan, f"s{number}", luck.choice(KINDS))
    for title in sorted(plan.all_titles):
        befalls = luck.choice(("", "", plan.dies, plan.stopped, plan.cancelled))
        if befalls != "" and title not in plan.never_run:
            befalls.add(title)
    plan.retried = {title for title in plan.never_run | plan.cancelled if luck.random() < 0.6}
    return plan


def crowd_plan() -> Plan:
    """Sidecars with a mistake that fail side by side, and a good one."""
    plan = Plan()
    for number, kind in enumerate(("broken", "broken", "broken", "plain", "broken", "broken")):
        add_pair(plan, f"s{number}", kind)
    return plan


def add_pair(plan: Plan, name: str, kind: str) -> None:
    """Put one sidecar of a kind, and its images, down in the plan."""
    contents = [f"{name}a.jpg", f"{name}b.jpg"] if kind == "grid" else [f"{name}a.jpg"]
    style = "common.jpg" if kind in ("shared", "grid") else f"{name}s.jpg"
    extra = {"output": "output: sub/deep\n", "broken": "sise: 1\n"}.get(kind, "")
    sidecar = f"{name}.yaml"
    title = "'{content}'" if kind == "grid" else f"{name}a"
    plan.files[sidecar] = f"content: [{', '.join(contents)}]\nstyle: {style}\ntitle: {title}\n{extra}".encode()
    given = [file for file in (*contents, style) if not (kind == "missing" and file == contents[0])]
    plan.files.update({file: f"picture {file}".encode() * 20 for file in given})
    titles = [name if kind == "broken" else content.removesuffix(".jpg") for content in contents]
    plan.titles[sidecar] = titles
    for title, content in zip(titles, contents, strict=True):
        images = set() if kind == "broken" else {content, style} & set(given)
        plan.inputs[title] = {sidecar} | images
        if kind in ("broken", "missing"):
            plan.never_run.add(title)


class PowerWorld(World):
    """A world whose worker writes through the recorded file system, in the real one's order."""

    def __init__(self, root: Path, plan: Plan) -> None:
        super().__init__(root, f"after: {plan.after}\n")
        self.plan = plan

    def failed(self) -> dict[str, Path]:
        """The failed jobs; of one that could not be taken it tells alone, for the job waits in the inbox still."""
        return {name: path for name, path in super().failed().items() if not _is_untaken(path)}

    def untaken(self) -> set[str]:
        """The sidecars that failed/ tells of because they could not be taken."""
        folders = filter(_is_untaken, super().failed().values())
        return {json.loads((path / "job.json").read_bytes())["origin"] for path in folders}

    def drop(self) -> None:
        """People put everything there, long before the daemon starts."""
        for name, data in self.plan.files.items():
            self.put(name, data)

    def work(self, handout: Job, *, until: str = "end") -> None:
        """One run: an epoch and its checkpoint, then the finished picture and the outcome."""
        title, running, folder = handout.title, handout.running, handout.folder
        checkpoint = folder / "checkpoint"
        if not checkpoint.exists() or checkpoint.read_bytes() != CHECKPOINT:
            self.fs.make_folder(running / "epochs")
            self.fs.write_durable(running / f"epochs/{title}_epoch_0001.png", f"epoch of {title}".encode())
            self.fs.write_durable(running / "loss.json", b'{"log": [1]}')
            self.fs.write_durable(checkpoint, CHECKPOINT)
        if until == "checkpoint":
            return
        self.fs.write_durable(running / f"{title}.png", f"picture of {title}".encode())
        self.fs.write_durable(running / "loss.json", b'{"log": [1, 2]}')
        self.fs.write_durable(folder / "outcome.json", b'{"state": "done"}')

    def finish_all(self) -> list[Ended]:
        """Everything that is there, to its end."""
        for _ in range(2):  # seen, still, and waited for in vain
            self.look()
            self.later(4000.0)
        return self.run_all()


def record(root: Path, store: Path, plan: Plan, kind: type[Recorder] = Recorder) -> tuple[PowerWorld, Recording]:
    """Play the plan once and note everything that reached the file system."""
    world = PowerWorld(root, plan)
    world.inbox.mkdir(parents=True)
    world.drop()
    recorder = kind(root, store)
    world.start(recorder)
    _play(world, recorder, plan)
    for title in sorted(plan.retried & set(world.failed())):
        retry_job(world.config, title, recorder)
    for missing in sorted(_missing(plan)):
        recorder.given(world.put(missing, b"found at last"))
    world.finish_all()
    world.stop()
    return world, recorder.recording


def _missing(plan: Plan) -> set[str]:
    """Images that were not there at first and come with the retry of their job; what was not understood lacks none."""
    understood = {title for title in plan.retried if f"{title}.yaml" not in plan.inputs[title]}
    return {f"retry-{title}/{title}.jpg" for title in understood if f"{title}.jpg" not in plan.files}


def _play(world: PowerWorld, recorder: Recorder, plan: Plan) -> None:
    world.settle()
    for title in sorted(plan.cancelled)[:1]:
        write_control(recorder, world.inbox, title, "cancel")
    world.look()
    world.sweep()
    disturbed: set[str] = set()
    for _ in range(12):
        world.later(400.0)
        world.look()
        world.sweep()
        while (handout := world.hand_out_next()) is not None:
            if not _disturb(world, recorder, plan, handout, disturbed):
                world.work(handout)
                world.finish(handout)
    world.finish_all()


def _disturb(world: PowerWorld, recorder: Recorder, plan: Plan, job: Job, disturbed: set[str]) -> bool:
    """What befalls a running job, once; False where nothing does."""
    if job.title in disturbed:
        return False
    disturbed.add(job.title)
    if job.title in plan.dies:
        world.work(job, until="checkpoint")
        world.spool.died(job, RunFailure(Reason("worker_died", "it died")), world.at)
    elif job.title in plan.stopped:
        world.work(job, until="checkpoint")
        world.spool.put_back(job)
        world.start(recorder)
        world.look()
    elif job.title in plan.cancelled:
        world.spool.fail(job, Reason.of("cancelled", "cancelled"))
    else:
        return False
    return True


# --- the books ----------------------------------------------------------------------------------------------


def _is_untaken(folder: Path) -> bool:
    return bool(json.loads((folder / "job.json").read_bytes()).get("reason") == SIDECAR_NOT_TAKEN)


def title_of(folder: Path) -> str:
    return str(json.loads((folder / "job.json").read_bytes())["title"])


def is_on_its_way_back(world: World, failed: Path) -> bool:
    """Whether a retry has noted the folder: its pair is in the inbox, or about to be."""
    notes = (world.inbox / ".nst_batch/retry").glob("*.json")
    return any(json.loads(note.read_bytes())["failed"] == failed.name for note in notes)


def check_visible(world: PowerWorld, *, started: bool = True) -> None:
    """Whatever stands outside of running/ is whole, whether or not a daemon has started since the power cut.

    What a torn retry leaves in a failed folder under a hidden name is swept away by the next start.
    """
    for folder in (*_result_folders(world), *world.failed().values()):
        if not is_on_its_way_back(world, folder):
            check_whole(world.plan, folder, torn=not started and folder.parent.name == "failed")


def _result_folders(world: World) -> list[Path]:
    """Finished folders as a person sees them: every lowest folder outside of running/ and failed/."""
    found = []
    for path in sorted(world.outbox.rglob("input")):
        if path.relative_to(world.outbox).parts[0] not in ("running", "failed"):
            found.append(path.parent)
    for path in sorted(world.outbox.rglob("*.png")):
        top = path.relative_to(world.outbox).parts[0]
        if top not in ("running", "failed") and path.parent.name != "epochs" and path.parent not in found:
            found.append(path.parent)
    return found


def check_whole(plan: Plan, folder: Path, *, torn: bool = False) -> None:
    """One ended job has all its files, each with its right content."""
    body = json.loads((folder / "job.json").read_bytes())
    title, state = body["title"], body["state"]
    files = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert torn or not {name for name in files if Path(name).name.startswith(".")}, files
    if state == "done":
        expected = {f"{title}.png", f"epochs/{title}_epoch_0001.png", "loss.json", "job.json"}
        assert expected <= files, (title, files)
        assert (folder / f"{title}.png").read_bytes() == f"picture of {title}".encode()
        assert (folder / f"epochs/{title}_epoch_0001.png").read_bytes() == f"epoch of {title}".encode()
        assert json.loads((folder / "loss.json").read_bytes()) == {"log": [1, 2]}
    else:
        assert {"job.json", "error.txt"} <= files, (title, files)
        assert (folder / "error.txt").read_bytes().strip(b"\0 \n")
    _check_input(plan, folder, title, bare=state == "done" and plan.after == "delete")


def _check_input(plan: Plan, folder: Path, title: str, *, bare: bool) -> None:
    there = {path.name: path.read_bytes() for path in (folder / "input").iterdir()}
    expected = plan.inputs[title]
    if bare:
        expected = {name for name in expected if name.endswith(".yaml")}
    assert expected <= set(there), (title, expected, set(there))
    for name, data in there.items():
        if title in plan.retried and name.endswith(".yaml"):
            assert data.startswith((b"content:", plan.files[name][:8])), data  # put together anew by the retry
        elif name in plan.files:
            assert data == plan.files[name], (title, name, data)


def places(world: PowerWorld) -> Counter[str]:
    """In how many places each job is, by the folders: waiting in the inbox, claimed, done, failed."""
    jobs = look_from_outside(world.config, world.at)[1]
    found = Counter(job.title for job in jobs if not (job.trouble and job.trouble.code == SIDECAR_NOT_TAKEN))
    for path in world.inbox_files():
        if not path.endswith(".yaml"):
            continue
        found.update(_retried_titles(world.inbox / path) if "/" in path else world.plan.titles[path])
    folders = [*world.finished().values()]
    folders += [path for path in world.failed().values() if not is_on_its_way_back(world, path)]
    found.update(title_of(folder) for folder in folders)
    return found


def _retried_titles(sidecar: Path) -> list[str]:
    """The one title of a sidecar that a retry has put together, or left as it was where nobody understands it."""
    said = yaml.safe_load(sidecar.read_bytes())
    return [sidecar.stem if "sise" in said else said["title"]]


def check_images(world: PowerWorld, *, all_ended: bool = True) -> None:
    """No image is lost: it lies in the inbox or with a result, unless it was to be deleted. Used ones have left."""
    kept = {path.name for path in world.outbox.rglob("input/*")} | {Path(path).name for path in world.inbox_files()}
    for name in world.plan.files:
        if world.plan.after != "delete" and name.endswith(".jpg"):
            assert name in kept, f"{name} is lost"
    if all_ended and world.plan.after != "keep":
        used = {name for inputs in world.plan.inputs.values() for name in inputs}
        left = {Path(path).name for path in world.inbox_files()} & used
        assert left == set(), f"{left} should have left the inbox"


def check_after_cut(recording: Recording, disk: Layout, plan: Plan) -> None:
    """Start on this disk: every job is in one place, nothing partial is seen, and all come to their end once."""
    build(recording, disk)
    world = PowerWorld(recording.root, plan)
    world.inbox.mkdir(exist_ok=True)
    world.outbox.mkdir(exist_ok=True)
    check_visible(world, started=False)
    world.wall += 10_000.0
    world.start()
    check_visible(world)
    assert places(world) == Counter(dict.fromkeys(plan.all_titles, 1))
    world.finish_all()
    world.stop()
    check_visible(world)
    world.check_books(plan.all_titles)
    check_images(world)
