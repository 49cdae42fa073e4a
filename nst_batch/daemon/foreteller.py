"""What becomes of a job that waits: how long it will take, or why it will fail."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from nst_batch.capacity import ANYWHERE, Place, check_job, cpu_room, expected_place, gpu_room
from nst_batch.config.load import Config
from nst_batch.daemon.executor import Worker
from nst_batch.daemon.forecast import Forecast
from nst_batch.daemon.pace import Pace
from nst_batch.daemon.reached import steps_reached
from nst_batch.daemon.shapes import Seen, Shapes
from nst_batch.errors import JobError
from nst_batch.reasons import Reason
from nst_batch.sidecar.settings import Settings
from nst_batch.sizing import HasSize, Shape, check_mask_shape
from nst_batch.spool.claims.live_job import Job
from nst_batch.spool.inbox.readiness import Ready
from nst_batch.spool.told import files_of

CPU = "cpu"  # the device of that name
MOST_REMEMBERED = 2000
READ_AT_ONCE_SECONDS = 0.5  # for the heads of images, by who looks but once


class Fate(NamedTuple):
    """Of one job: in how many seconds it will be done (None: not known), or why it will fail, as ``check`` says."""

    seconds: float | None
    failure: Reason | None = None


UNKNOWN = Fate(None)


@dataclass
class Foreteller:
    """What becomes of the jobs of a queue on ``device``, as far as that can be told from the heads of their images."""

    forecast: Forecast
    shapes: Shapes
    device: str = CPU
    place: Place = ANYWHERE
    _known: dict[Any, tuple[Settings, Reason]] = field(default_factory=dict)
    _fine: dict[Any, Settings] = field(default_factory=dict)

    def follow(self, workers: Sequence[Worker], devices: Collection[str] = ()) -> None:
        """Go by what the workers that are ready have told of themselves: a job fails that none of them could do.

        ``devices``: those that have workers, or will.
        """
        ready = [worker for worker in workers if worker.ready]
        for worker in ready:
            self.device = worker.device.name
            self.forecast.worker_is(worker.device.name, worker.details, worker.details.get("rate", 0.0))
        found = _place_of(ready) if ready else self.place
        if not ready and set(devices) == {CPU}:
            found = expected_place(CPU)  # what a GPU is its worker tells alone: to ask its driver may take long
        if found != self.place:
            self.place, self._known, self._fine = found, {}, {}

    def of_job(self, job: Job) -> Fate:
        """A claimed one; unknown where nobody knows when it can go on."""
        if job.held is not None:
            return UNKNOWN
        if job.spec is None or job.to_stop:
            return Fate(0.0)
        seen, settings = self.shapes.of_job(job), job.spec.settings
        if failure := self._failure(settings, seen):
            return Fate(None, failure)
        done = steps_reached(self.shapes.files, job)
        return Fate(self.forecast.job_seconds(settings, content_shape(seen), self.device, done))

    def of_pair(self, pair: Ready) -> list[Fate]:
        """Those of a sidecar's jobs, and of the one that stands for what is missing."""
        fates = []
        for job in pair.wanted.all_jobs():
            seen = self.shapes.of_wanted(job)
            failure = job.refusal or self._failure(job.settings, seen)
            seconds = None if failure else self.forecast.job_seconds(job.settings, content_shape(seen), self.device)
            fates.append(Fate(seconds, failure))
        return fates

    def _failure(self, settings: Settings, seen: Seen) -> Reason | None:
        """As :func:`failure`, remembered: thousands of waiting jobs mostly ask for the same."""
        # By their shapes alone where all is well; a failure names the image that is to blame.
        shapes = (id(settings), *((role, look) for role, _name, look in seen))
        if self._fine.get(shapes) is settings:
            return None
        key = (id(settings), *seen)
        known = self._known.get(key)
        if known is not None and known[0] is settings:
            return known[1]
        found = failure(settings, seen, self.place)
        if max(len(self._known), len(self._fine)) >= MOST_REMEMBERED:
            self._known, self._fine = {}, {}
        if found is None:
            self._fine[shapes] = settings
        else:
            self._known[key] = (settings, found)
        return found


def failure(settings: Settings, seen: Seen, place: Place) -> Reason | None:
    """Why a job is sure to fail, by what the heads of its images tell; None where nothing speaks against it."""
    try:
        for _role, _name, shape in seen:
            if isinstance(shape, Reason):
                return shape
        known = [(role, name, shape) for role, name, shape in seen if isinstance(shape, Shape)]
        if not any(role == "content" for role, _name, _shape in known):
            return None
        content = check_job(settings, [each for each in known if each[0] != "mask"], place).content
        for name, mask in ((name, shape) for role, name, shape in known if role == "mask"):
            _check_mask(mask, content, name)
    except JobError as error:
        return error.reason
    return None


def _check_mask(mask: HasSize, content: HasSize, name: str) -> None:
    """A head does not tell whether a picture lies on its side: raises where it fits neither way."""
    try:
        check_mask_shape((mask.width, mask.height), (content.width, content.height), name)
    except JobError:
        check_mask_shape((mask.height, mask.width), (content.width, content.height), name)


def painted_at(config: Config) -> Place:
    """Where the jobs of a config are painted, as far as it can be told from here."""
    return ANYWHERE if config.executor == "slurm" else expected_place(config.device)


def without_daemon(config: Config) -> Foreteller:
    """What is known where no daemon runs: who will fail, and no times."""
    limits = config.limits
    looked_at = Shapes(files_of(config), config.inbox, limits.max_megapixels, limits.max_file_mb, READ_AT_ONCE_SECONDS)
    return Foreteller(Forecast(Pace()), looked_at, place=painted_at(config))


def content_shape(seen: Seen) -> Shape | None:
    """The content's, where it is known."""
    return next((shape for role, _name, shape in seen if role == "content" and isinstance(shape, Shape)), None)


def _place_of(ready: Sequence[Worker]) -> Place:
    """The best of what workers have told: the largest memory, unknown where one does not tell, and bfloat16."""
    rooms = [float(worker.details.get("memory_mb", 0.0)) for worker in ready]
    room = cpu_room(max(rooms)) if ready[-1].device.name == CPU else gpu_room(max(rooms))
    has_bfloat16 = any(worker.details.get("precision", "bfloat16") == "bfloat16" for worker in ready)
    return Place(room if all(rooms) else ANYWHERE.room, has_bfloat16)
