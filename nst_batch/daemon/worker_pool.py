"""The worker pool: one worker a device, kept alive, renewed, and its news turned into events for the daemon.

A worker is started when there is work for it and kept warm after. It is replaced when it dies, when a job
makes no step for ``stall_timeout``, and after a number of jobs or when its memory has grown, because traced
graphs are never freed while their process lives.

One that dies while it starts is started again after a pause that grows. A signal or a hang may be the machine's doing
(no memory, a driver) and is borne for as long as it lasts; one that ends by itself, time after time, is a fault of the
installation that a person must mend.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from nst_batch.capacity import advice
from nst_batch.clock import duration
from nst_batch.config.load import Config
from nst_batch.daemon.devices import WorkerDevice
from nst_batch.daemon.events import Died, Event, Finished, Phased, Refused, WorkerFault, Yielded, event_of
from nst_batch.daemon.forecast import guessed_seconds
from nst_batch.daemon.roster import Roster, find_roster
from nst_batch.daemon.worker_process import WORKER_COMMAND, ProcessEnd, WorkerProcess, worker_options
from nst_batch.filenames import OWN_FOLDER
from nst_batch.gpus import device_faults
from nst_batch.protocol import Message, WorkerOptions
from nst_batch.reasons import DEVICE_FAILED, OUT_OF_MEMORY, Reason
from nst_batch.spool.claims.attempts import RunFailure
from nst_batch.spool.claims.live_job import Job
from nst_batch.spool.disk.blocked import pause_for
from nst_batch.spool.disk.fs import FileSystem
from nst_batch.transfer.errors import DEVICE_FAULTS
from nst_batch.transfer.gpu_words import COMPILES, find_trouble

RENEW_AFTER_JOBS = 200
RENEW_AFTER_GROWTH_MB = 4096.0
END_SECONDS = 30.0  # a worker without a job that was told to end has this long
START_PAUSES = (2.0, 5.0, 15.0, 60.0, 300.0)  # seconds before a worker that died while it started is started again
START_SECONDS = 300.0  # a worker has at least this long to load TensorFlow, however short ``stall_timeout`` is
COMPILE_SECONDS = 3600.0  # or so long, where TensorFlow has to be compiled for its GPU
ASLEEP_SECONDS = 30.0  # longer than this between two looks, and the daemon itself was not running


class WorkerPool:
    """Every worker of the daemon; ``command`` is what starts one."""

    def __init__(
        self,
        config: Config,
        files: FileSystem,
        devices: tuple[WorkerDevice, ...] | None,
        parent: int,
        command: Sequence[str] = WORKER_COMMAND,
    ) -> None:
        """``devices`` None: what the config asks for of what is there, now and later."""
        self._config = config
        self._files = files
        self._command = command
        self._parent = parent
        self._roster = Roster(devices) if devices is not None else find_roster(config.device)
        self._logs = config.inbox / OWN_FOLDER
        self._workers: dict[str, WorkerProcess] = {}
        self._first_memory: dict[str, float] = {}
        self._start_failures = 0  # in a row, of every kind
        self._exits = 0  # in a row, of workers that ended by themselves before they were ready
        self.start_due = 0.0  # no worker is started before then (monotonic)
        self._trouble = ""  # why the last one could not be started
        self.restarts = 0  # workers started on a device that had one before
        self._started: set[str] = set()
        self._told_to_end: dict[str, float] = {}  # since when (monotonic)
        self._last_news: float | None = None
        self._to_tell: list[Event] = []

    @property
    def workers(self) -> tuple[WorkerProcess, ...]:
        """The workers that live."""
        return tuple(self._workers.values())

    @property
    def devices(self) -> tuple[str, ...]:
        """The names of the devices that have workers, or are to have them."""
        return self._roster.names

    @property
    def notes(self) -> tuple[str, ...]:
        """On devices that are not what was to be expected."""
        return self._roster.notes

    @property
    def busy(self) -> tuple[WorkerProcess, ...]:
        """The workers with a job that may still be done."""
        return tuple(worker for worker in self._workers.values() if worker.job is not None and not worker.lost)

    @property
    def giving_back(self) -> tuple[WorkerProcess, ...]:
        """The workers whose jobs have to come back before the daemon ends: all of them."""
        return self.busy

    @property
    def to_watch(self) -> tuple[WorkerProcess, ...]:
        """What wakes the loop."""
        return self.workers

    @property
    def trouble(self) -> str | None:
        """Why there is no worker to hand a job to, where starting one fails; None where all is well."""
        return self._trouble or None

    @property
    def gives_up(self) -> bool:
        """Whether somebody who waits for the end should wait no longer: no worker starts, and none is at work."""
        return self._start_failures >= self._config.jobs.attempts and not self.busy

    @property
    def queued(self) -> dict[str, str]:
        """How the jobs stand that were handed out and have not begun: there are none."""
        return {}

    def jobs_in_hand(self) -> frozenset[str]:
        """Ids of the jobs that workers had before this daemon began: none, for they end with it."""
        return frozenset()

    def adopt(self, find: Callable[[str], Job | None]) -> None:
        """Nothing is taken over from an earlier daemon."""

    def call_back(self) -> None:
        """No job begins for now: one that has a worker has begun."""

    def at_work_on(self, job_id: str) -> WorkerProcess | None:
        """The worker that has this job."""
        return next((w for w in self._workers.values() if w.job is not None and w.job.id == job_id), None)

    def openings(self, now: float) -> Iterator[Callable[[Job], None]]:
        """What takes a job, one call for each idle worker. Those that are missing are started, and are idle later.

        SpoolBlocked where the machine lets none be started.
        """
        for device in self._roster.in_use(now):
            worker = self._workers.get(device.name)
            if worker is None:
                if now >= self.start_due:
                    self._start(device, now)
            elif worker.idle:
                yield functools.partial(worker.give, now=now)

    def news(self, now: float) -> Iterator[Event]:
        """What has happened since the last call, deaths and stalls included."""
        told, self._to_tell = self._to_tell, []
        yield from told
        self._forgive(now)
        for name, worker in list(self._workers.items()):
            if worker.lost and worker.process.poll() is None:
                continue
            for message in worker.read(now):
                yield from self._event(worker, message, now)
            silence = now - worker.last_beat
            if worker.closed or worker.process.poll() is not None:
                yield from self._buried(name, worker, now)
            elif worker.job is not None:
                if silence > self._config.jobs.stall_timeout:
                    yield from self._stalled(name, worker, now)
            elif not worker.ready:
                if silence > self._start_seconds and not self._compiles(worker, silence):
                    how = f"took more than {duration(self._start_seconds)} to start"
                    yield from self._never_ready(name, worker, now, how)
            elif worker.ending:
                if now - self._told_to_end.setdefault(name, now) > END_SECONDS:
                    worker.kill()
                    self._ended(name, worker, now)
            elif self._is_spent(name, worker) or not self._roster.uses(worker.device, now):
                worker.end()

    def _forgive(self, now: float) -> None:
        """After a sleep of the daemon's own (a stopped machine, a debugger), silence is nobody's fault."""
        if self._last_news is not None and now - self._last_news > ASLEEP_SECONDS:
            for worker in self._workers.values():
                worker.last_beat = now
        self._last_news = now

    def reload(self, config: Config) -> None:
        """Another config; a worker that was started with other limits is renewed after its job."""
        self._config = config
        for worker in self._workers.values():
            worker.outdated = self._options(worker.device) != worker.options

    def end(self) -> None:
        """Ask every worker to give back its job and end."""
        for worker in self._workers.values():
            worker.end()

    def rest(self) -> None:
        """End the workers that have nothing to do. Their logs lie in the inbox and hold on to its disk."""
        for worker in self._workers.values():
            if worker.idle:
                worker.end()

    def kill(self) -> tuple[Job, ...]:
        """End every worker at once; returns the jobs they had."""
        had = tuple(worker.job for worker in self._workers.values() if worker.job is not None)
        for worker in self._workers.values():
            worker.kill()
            worker.reap()
        self._workers.clear()
        return had

    def _start(self, device: WorkerDevice, now: float) -> None:
        log = self._logs / f"worker-{device.name.replace(':', '-')}.log"
        try:
            self._workers[device.name] = WorkerProcess(
                device, self._options(device), self._files, log, now, self._command
            )
        except OSError as error:
            raise pause_for(error) from error
        self.restarts += device.name in self._started
        self._started.add(device.name)
        self._first_memory.pop(device.name, None)
        self._told_to_end.pop(device.name, None)
        self._to_tell.append(Phased(None, f"starting a worker on {device.name}: TensorFlow takes a while to load"))

    def _options(self, device: WorkerDevice) -> WorkerOptions:
        return worker_options(self._config, parent=self._parent, device=device.name, note=device.note)

    def _event(self, worker: WorkerProcess, message: Message, now: float) -> Iterator[Event]:
        job = worker.job
        match message["say"]:
            case "ready":
                self._roster.works(worker.device)
                self._start_failures = self._exits = 0
                self._trouble = ""
                yield Phased(None, f"worker ready on {message['device']}, weights: {message['weights']}")
                if worker.device.is_gpu and message.get("precision") == "float32":
                    takes = duration(guessed_seconds(worker.device.name, message["rate"]))
                    yield Phased(
                        None,
                        f"{message['device']} has no bfloat16 units and paints in float32: "
                        f"a picture of the default size may take {takes}",
                    )
            case "fault":
                reason = Reason(**message["reason"])
                is_gpus = reason.code in DEVICE_FAULTS and worker.device.is_gpu
                yield self._retired(worker, reason, now) if is_gpus else WorkerFault(reason)
            case _ if job is not None and (event := event_of(job, message)) is not None:
                if isinstance(event, Finished | Yielded | Refused):
                    worker.job = None
                if isinstance(event, Finished):
                    self._first_memory.setdefault(worker.device.name, worker.memory_mb)
                yield event

    def _buried(self, name: str, worker: WorkerProcess, now: float) -> Iterator[Event]:
        # Its last words may have come between the read and its end.
        for message in worker.read(now):
            yield from self._event(worker, message, now)
        if worker.job is None and not worker.ready and worker.fault is None and not worker.ending:
            yield from self._never_ready(name, worker, now)
            return
        end = self._ended(name, worker, now)
        job = worker.job
        if job is not None and end is not None:
            text = f"the worker on {name} {end}"
            failure = _failure("worker_died", text, end, by_signal=end.kind == "signal")
            if end.out_of_memory:
                failure = replace(failure, reason=Reason.of(OUT_OF_MEMORY, text, advice(worker.fits)))
            yield Died(job, failure)

    def _never_ready(self, name: str, worker: WorkerProcess, now: float, hangs: str = "") -> Iterator[Event]:
        """A worker that ended, or hangs, before it could take a job: another one after a pause.

        After ``attempts`` that ended by themselves no other is started: that is a fault of the installation.
        """
        if hangs:
            worker.kill()
        end = self._ended(name, worker, now)
        if end is None:
            return
        pause = START_PAUSES[min(self._start_failures, len(START_PAUSES) - 1)]
        self._start_failures += 1
        self._exits = self._exits + 1 if not hangs and (end.kind == "exit" or end.is_unfit) else 0
        self.start_due = now + pause
        text = f"the worker on {name} {hangs or f'{end} before it was ready'}{end.last_words}"
        if self._roster.died(worker.device):
            yield self._retired(worker, Reason.of("worker_start", text), now)
            return
        self._trouble = Reason.of("worker_start", text).in_one_line
        if self._exits >= self._config.jobs.attempts:
            yield WorkerFault(Reason.of("worker_start", text).noting(f"{self._exits} times in a row"))
        else:
            yield Phased(None, f"{text}; another one is started in {duration(pause)}")

    def _stalled(self, name: str, worker: WorkerProcess, now: float) -> Iterator[Event]:
        job = worker.job
        assert job is not None
        worker.kill()
        end = self._ended(name, worker, now)
        if end is None:
            return
        text = f"no step for {duration(self._config.jobs.stall_timeout)} on {name}; the worker was ended"
        yield Died(job, _failure("worker_stalled", text, end, by_signal=False))

    def _retired(self, worker: WorkerProcess, reason: Reason, now: float) -> Event:
        """A GPU is of no use for now: the others go on, or the CPU does; a fault where nothing else may."""
        found = find_trouble(device_faults() + worker.stderr_tail())  # TensorFlow's own words tell more
        if found is not None:
            more = "" if found[0] in reason.message else f": {found[0]}"
            reason = Reason.of(reason.code, f"{reason.message}{more}", found[1])
        note = self._roster.failed(worker.device, reason, now)
        if self._roster.exhausted:
            return WorkerFault(reason)
        self._start_failures, self.start_due, self._trouble = 0, 0.0, ""
        return Phased(None, note)

    def _ended(self, name: str, worker: WorkerProcess, now: float) -> ProcessEnd | None:
        """How a worker ended; None for one that cannot be ended, which keeps its job and its device until it goes.

        With ``auto`` the CPU takes over where no other GPU is left.
        """
        end = worker.reap()
        if end is not None:
            del self._workers[name]
        elif not worker.lost:
            worker.lost = True
            what = (
                f"the worker on {name} (process {worker.process.pid}) cannot be ended: it waits in the kernel, for a "
                "driver or a disk"
            )
            reason = Reason.of(DEVICE_FAILED, what, "see dmesg; nothing is done there until it has gone")
            self._to_tell.append(Phased(None, reason.in_one_line))
            if all(other.lost for other in self._workers.values()):
                self._trouble = reason.in_one_line
            if worker.device.is_gpu:
                self._roster.failed(worker.device, reason, now)
        return end

    def _compiles(self, worker: WorkerProcess, silence: float) -> bool:
        """Whether its driver makes TensorFlow's code for a GPU that is newer than TensorFlow, which takes its time."""
        if silence > COMPILE_SECONDS or not worker.device.is_gpu or COMPILES not in worker.stderr_tail():
            return False
        if not worker.compiles:
            worker.compiles = True
            told = f"{worker.device.name} is newer than this TensorFlow: its driver compiles the code for it"
            self._to_tell.append(Phased(None, f"{told}, which can take half an hour, the first time"))
        return True

    @property
    def _start_seconds(self) -> float:
        return max(START_SECONDS, self._config.jobs.stall_timeout)

    def _is_spent(self, name: str, worker: WorkerProcess) -> bool:
        grown = worker.memory_mb - self._first_memory.get(name, worker.memory_mb)
        return worker.outdated or worker.jobs_done >= RENEW_AFTER_JOBS or grown > RENEW_AFTER_GROWTH_MB


def _failure(code: str, text: str, end: ProcessEnd, *, by_signal: bool) -> RunFailure:
    return RunFailure(Reason.of(code, f"{text}{end.last_words}"), by_signal=by_signal)
