"""The worker pool: workers that hang where no job is to blame, and a daemon that was asleep itself."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from nst_batch.config.load import parse_config
from nst_batch.daemon.devices import WorkerDevice, choose_devices, cpu, gpu
from nst_batch.daemon.events import Died, Event, Phased, WorkerFault
from nst_batch.daemon.worker_pool import END_SECONDS, START_SECONDS, WorkerPool
from nst_batch.daemon.worker_process import WorkerProcess
from nst_batch.filenames import OWN_FOLDER
from nst_batch.gpus import Gpu, Gpus
from nst_batch.spool.claims.attempts import Attempts
from nst_batch.spool.claims.live_job import Job
from nst_batch.spool.disk.fs import FileSystem

STALL = 600.0
TEN_MINUTES, HOUR = 600.0, 3600.0  # as docs/questions.md and docs/operations.md have it
PAUSES = (2.0, 5.0, 15.0, 60.0, 300.0, 300.0, 300.0)  # as docs/service.md has it
TWO = Gpus((Gpu(0), Gpu(1)))
READY = 'import os, sys, time; print(\'{"say": "ready", "device": "d", "weights": "w"}\', flush=True); '
DEAF = "time.sleep(1000)"
Make = Callable[..., WorkerPool]


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    """A pool whose workers run the given lines of Python."""
    pools: list[WorkerPool] = []

    def one(lines: str, jobs: str = "attempts: 3", devices: tuple[WorkerDevice, ...] = (cpu(),)) -> WorkerPool:
        config = parse_config(f"jobs: {{{jobs}}}\n", tmp_path / "config.yaml")
        (config.inbox / OWN_FOLDER).mkdir(parents=True, exist_ok=True)
        pools.append(WorkerPool(config, FileSystem(), devices, parent=0, command=(sys.executable, "-c", lines)))
        return pools[-1]

    yield one
    for pool in pools:
        pool.kill()


def watch(pool: WorkerPool, begin: float, end: float) -> list[Event]:
    """What happens in that time, with a daemon that looks every so often."""
    moments = [begin + 20.0 * n for n in range(int((end - begin) / 20.0) + 1)]
    return [event for now in (*moments, end) for event in pool.news(now)]


def told(events: list[Event], words: str) -> list[Event]:
    return [event for event in events if isinstance(event, Phased) and words in event.phase]


def die(pool: WorkerPool, now: float) -> list[Event]:
    """What is told of a worker that is started now and dies before it is ready."""
    assert list(pool.openings(now)) == []
    assert len(pool.workers) == 1
    found: list[Event] = []
    end = time.monotonic() + 60
    while pool.workers:
        found += pool.news(now)
        assert time.monotonic() < end
        time.sleep(0.01)
    return found


def until(pool: WorkerPool, now: float, condition: Callable[[], bool]) -> None:
    """Wait in real time for what a process does."""
    end = time.monotonic() + 60
    while not condition():
        list(pool.news(now))
        assert time.monotonic() < end
        time.sleep(0.01)


def test_a_worker_that_hangs_before_it_is_ready_is_replaced_and_told(make: Make) -> None:
    """A driver may hang while it is loaded: no job is at work then, and none would ever start."""
    pool = make("import time; " + DEAF)
    now = 1000.0
    for pause in PAUSES[:3]:
        assert list(pool.openings(now)) == []
        assert len(pool.workers) == 1
        assert not told(watch(pool, now, now + STALL), "took more")
        assert len(pool.workers) == 1
        now += STALL + 1
        assert told(list(pool.news(now)), "took more than 10 min to start")
        assert not pool.workers
        now += pause


def test_workers_killed_while_they_start_are_started_again_for_as_long_as_it_lasts(make: Make) -> None:
    """The kernel may be short of memory all night: each death is told, the pauses grow, nobody gives up."""
    pool = make("import os; os.kill(os.getpid(), 9)")
    now, found = 1000.0, []
    for pause in PAUSES:
        found += die(pool, now)
        assert "was killed by SIGKILL" in (pool.trouble or "")
        assert list(pool.openings(now + pause - 0.1)) == []
        assert not pool.workers, "started before its pause was over"
        now += pause
    assert not [event for event in found if isinstance(event, WorkerFault)]
    assert len(told(found, "before it was ready")) == len(PAUSES)
    assert told(found, "another one is started in 5 min")


def test_a_worker_that_ends_by_itself_time_after_time_is_a_fault_of_the_installation(make: Make) -> None:
    """A broken TensorFlow is broken at every start: a person must mend it, and is told the worker's last words."""
    pool = make("raise SystemExit('libGL.so.1 is not there')")
    now = 1000.0
    for _ in range(2):
        assert not [event for event in die(pool, now) if isinstance(event, WorkerFault)]
        now = pool.start_due
    (fault,) = (event for event in die(pool, now) if isinstance(event, WorkerFault))
    assert "libGL.so.1 is not there" in fault.reason.message


def test_a_processor_that_cannot_run_tensorflow_is_told_and_not_tried_all_night(make: Make) -> None:
    """SIGILL is no passing want of memory: no later start will do better."""
    pool = make("import os; os.kill(os.getpid(), 4)")
    now, found = 1000.0, []
    for _ in range(3):
        found += die(pool, now)
        now = pool.start_due
    (fault,) = (event for event in found if isinstance(event, WorkerFault))
    assert "TensorFlow's packages want AVX" in fault.reason.message


def test_a_worker_that_comes_up_in_the_end_ends_the_trouble(make: Make, tmp_path: Path) -> None:
    """What `status` said of the deaths before it is not true any more."""
    mark = tmp_path / "tried"
    pool = make(f"import os, pathlib\nif not pathlib.Path({str(mark)!r}).exists():\n"
                f"    pathlib.Path({str(mark)!r}).touch(); os.kill(os.getpid(), 9)\n" + READY + DEAF)  # fmt: skip
    die(pool, 1000.0)
    assert pool.trouble
    assert list(pool.openings(pool.start_due)) == []
    until(pool, pool.start_due, lambda: bool(pool.workers) and pool.workers[0].ready)
    assert pool.trouble is None


def test_a_short_stall_timeout_does_not_hurry_a_worker_that_loads(make: Make) -> None:
    """A person with small pictures may allow a step two seconds; TensorFlow from a slow disk takes longer."""
    pool = make("import time; " + DEAF, "stall_timeout: 2")
    assert list(pool.openings(1000.0)) == []
    watch(pool, 1000.0, 1000.0 + START_SECONDS)
    assert len(pool.workers) == 1
    watch(pool, 1000.0 + START_SECONDS, 1021.0 + START_SECONDS)
    assert not pool.workers


def test_a_slow_job_that_gets_on_is_not_taken_for_dead(make: Make, tmp_path: Path) -> None:
    """A step of an hour, whose strips say that it gets on, is let be; one that falls silent is ended."""
    beats = '[(sys.stdin.readline(), print(\'{"say": "beat"}\', flush=True)) for _ in range(4)]; '
    pool = make(READY + beats + DEAF, "stall_timeout: 600")
    assert list(pool.openings(1000.0)) == []
    until(pool, 1000.0, lambda: pool.workers[0].ready)
    (worker,) = pool.workers
    worker.give(handout(tmp_path), 1000.0)
    for now in (1500.0, 2000.0, 2500.0):
        assert watch(pool, now - 500.0, now) == []
        worker.tell({"do": "go on"})
        until(pool, now, lambda moment=now: worker.last_beat == moment)  # type: ignore[misc]
    assert [event for event in watch(pool, 2500.0, 3101.0) if isinstance(event, Died)]


def test_a_worker_that_does_not_end_when_told_is_ended(make: Make) -> None:
    """One that is to be renewed and hangs would keep its device for ever."""
    pool = make(READY + DEAF)
    assert list(pool.openings(1000.0)) == []
    until(pool, 1000.0, lambda: pool.workers[0].ready)
    pool.rest()
    watch(pool, 1001.0, 1001.0 + END_SECONDS)
    assert len(pool.workers) == 1
    until(pool, 1002.0 + END_SECONDS, lambda: not pool.workers)


@pytest.mark.parametrize(("kills", "code"), [(0, "worker_died"), (1, "out_of_memory")])
def test_a_worker_that_the_kernel_ends_for_memory_is_known_by_its_counter(
    make: Make, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, kills: int, code: str
) -> None:
    """SIGKILL says nothing of its reason; the size that the worker said would fit stands in the advice."""
    counter = [7]
    monkeypatch.setattr("nst_batch.daemon.worker_process.oom_kills", lambda: counter[0])
    says = 'sys.stdin.readline(); print(\'{"say": "fits", "size": 640}\', flush=True); sys.stdin.readline(); '
    pool = make(READY + says + "os.kill(os.getpid(), 9)")
    assert list(pool.openings(1000.0)) == []
    until(pool, 1000.0, lambda: pool.workers[0].ready)
    pool.workers[0].give(handout(tmp_path), 1000.0)
    until(pool, 1000.0, lambda: pool.workers[0].fits == {"size": 640})
    counter[0] += kills
    pool.workers[0].tell({"do": "end"})
    found: list[Event] = []
    while not found:
        found = [event for event in pool.news(1000.0) if isinstance(event, Died)]
    assert found[0].failure.reason.code == code
    assert found[0].failure.by_signal
    assert ("640" in found[0].failure.reason.advice) is bool(kills)


def handout(folder: Path) -> Job:
    return Job(
        id="c.0001",
        name="a",
        title="a",
        priority=0,
        claim="c",
        lane="",
        index=1,
        arrival="now",
        claim_folder=folder,
        folder=folder,
        running=folder,
        spec=None,
        attempts=Attempts(),
    )


def test_a_daemon_that_was_asleep_blames_no_worker(make: Make) -> None:
    """Stopped together for an hour, as a machine is, nobody had a chance to make a step meanwhile."""
    pool = make("import time; " + DEAF)
    assert list(pool.openings(1000.0)) == []
    list(pool.news(1001.0))
    list(pool.news(1001.0 + 3600.0))
    assert len(pool.workers) == 1


PICKY = """
import json, sys, time
options = json.loads(sys.argv[1])
if options["device"] != "cpu":
    fault = {"say": "fault", "reason": {"code": "device_missing", "message": "no GPU", "advice": "install it"}}
    print(json.dumps(fault), flush=True)
    sys.exit(78)
print(json.dumps({"say": "ready", "device": options["note"], "weights": "w"}), flush=True)
time.sleep(1000)
"""


def test_auto_goes_on_with_the_cpu_where_no_gpu_can_be_used(make: Make) -> None:
    """Both are lost: one worker on the CPU, told loudly, and every job is to bear the note."""
    pool = make(PICKY, devices=choose_devices("auto", TWO))
    now, told = 1000.0, []
    end = time.monotonic() + 60
    while not any(worker.ready for worker in pool.workers):
        list(pool.openings(now))
        told += list(pool.news(now))
        assert time.monotonic() < end
        time.sleep(0.01)
    (worker,) = pool.workers
    assert worker.device.name == "cpu"
    assert len(pool.notes) == 2
    assert worker.details["device"].startswith("painted on the CPU: ")
    assert all(note in worker.details["device"] for note in pool.notes)
    told_of = [event.phase for event in told if isinstance(event, Phased) and "left out" in event.phase]
    assert told_of[:2] == [pool.notes[0], worker.details["device"]]
    assert not [event for event in told if isinstance(event, WorkerFault)]


@pytest.mark.parametrize("wanted", ["gpu", (0,)])
def test_a_gpu_that_was_asked_for_is_insisted_on(make: Make, wanted: str | tuple[int, ...]) -> None:
    """Nothing goes on silently on the CPU."""
    pool = make(PICKY, devices=choose_devices(wanted, Gpus((Gpu(0),))))
    told: list[Event] = []
    end = time.monotonic() + 60
    list(pool.openings(1000.0))
    while not [event for event in told if isinstance(event, WorkerFault)]:
        told += list(pool.news(1000.0))
        assert time.monotonic() < end
        time.sleep(0.01)
    assert not [worker for worker in pool.workers if worker.ready]


BROKEN = """
import json, os, sys, time
from pathlib import Path
options = json.loads(sys.argv[1])
broken = Path(os.environ["BROKEN_GPUS"]).read_text().split()
if options["device"] in broken:
    print("CUDA_ERROR_DEVICE_UNAVAILABLE", file=sys.stderr, flush=True)
    fault = {"say": "fault", "reason": {"code": "device_failed", "message": "a small step failed", "advice": "doctor"}}
    print(json.dumps(fault), flush=True)
    sys.exit(78)
if options["device"] + ":aborts" in broken:
    os.abort()
print(json.dumps({"say": "ready", "device": options["device"], "weights": "w"}), flush=True)
time.sleep(1000)
"""


@pytest.fixture
def broken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The names of the GPUs on which nothing runs."""
    path = tmp_path / "broken"
    path.write_text("gpu:1")
    monkeypatch.setenv("BROKEN_GPUS", str(path))
    return path


def ready(pool: WorkerPool, now: float, names: set[str]) -> list[Event]:
    """Until exactly these have a worker that is ready, and none other is left."""
    found: list[Event] = []
    end = time.monotonic() + 60
    while {worker.device.name for worker in pool.workers} != names or not all(w.ready for w in pool.workers):
        list(pool.openings(now))
        found += pool.news(now)
        assert time.monotonic() < end, (found, pool.workers)
        time.sleep(0.01)
    return found


@pytest.mark.parametrize("wanted", ["auto", "gpu"])
def test_a_gpu_on_which_nothing_runs_is_retired_and_tried_again(make: Make, broken: Path, wanted: str) -> None:
    """No job is spent on it, the other goes on, the reason is in TensorFlow's own words; once mended it works again."""
    pool = make(BROKEN, devices=choose_devices(wanted, TWO))
    found = ready(pool, 1000.0, {"gpu:0"})
    (note,) = pool.notes
    assert "another program has the GPU for itself" in note
    assert [event for event in found if isinstance(event, Phased) and event.phase == note]
    assert not [event for event in found if isinstance(event, WorkerFault)]
    broken.write_text("")
    ready(pool, 1000.0 + TEN_MINUTES - 1, {"gpu:0"})
    ready(pool, 1000.0 + TEN_MINUTES, {"gpu:0", "gpu:1"})
    assert pool.notes == ()


def test_the_last_gpu_that_was_demanded_is_a_fault(make: Make, broken: Path) -> None:
    """Nothing is left: a person has to look."""
    broken.write_text("gpu:0 gpu:1")
    pool = make(BROKEN, devices=choose_devices("gpu", TWO))
    found: list[Event] = []
    end = time.monotonic() + 60
    while not (faults := [event for event in found if isinstance(event, WorkerFault)]):
        list(pool.openings(1000.0))
        found += pool.news(1000.0)
        assert time.monotonic() < end
        time.sleep(0.01)
    assert "another program has the GPU for itself" in faults[0].reason.message
    assert "nvidia-smi -c DEFAULT" in faults[0].reason.advice


def test_a_gpu_whose_workers_abort_at_their_start_is_retired(make: Make, broken: Path) -> None:
    """TensorFlow ends the process on some broken installations: with auto the CPU paints, at once."""
    broken.write_text("gpu:0:aborts gpu:1:aborts")
    pool = make(BROKEN, devices=choose_devices("auto", TWO))
    now = 1000.0
    while not any(worker.ready for worker in pool.workers):
        list(pool.openings(now))
        list(pool.news(now))
        now += 1.0
        time.sleep(0.01)
        assert now < 1000.0 + 6000.0
    ready(pool, now, {"cpu"})


def test_a_worker_that_cannot_be_ended_blocks_nobody(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the kernel's uninterruptible sleep no signal helps: it keeps its device and its job until it goes."""
    pool = make(READY + DEAF)
    now = 1000.0
    list(pool.openings(now))
    until(pool, now, lambda: pool.workers[0].ready)
    (worker,) = pool.workers
    given = handout(tmp_path)
    worker.give(given, now)
    with monkeypatch.context() as stuck:
        stuck.setattr(WorkerProcess, "kill", lambda _self: None)
        stuck.setattr("nst_batch.daemon.worker_process.GO_SECONDS", 0.05)
        stuck.setattr("nst_batch.daemon.worker_process.KILL_SECONDS", 0.05)
        found = watch(pool, now, now + STALL + 60)
        found += pool.news(now + STALL + 61)
    assert told(found, "cannot be ended")
    assert not [event for event in found if isinstance(event, Died)]
    assert "dmesg" in (pool.trouble or "")
    assert list(pool.openings(now + STALL + 61)) == []
    assert pool.workers == (worker,)
    assert pool.at_work_on(given.id) is worker
    assert pool.busy == ()
    worker.kill()
    worker.process.wait()
    assert [event.job for event in pool.news(now + STALL + 62) if isinstance(event, Died)] == [given]
    assert pool.workers == ()


HANGS_ON_GPUS = (
    "import json, sys, time; device = json.loads(sys.argv[1])['device']; "
    "device == 'cpu' and print(json.dumps({'say': 'ready', 'device': device, 'weights': 'w'}), flush=True); "
    "time.sleep(1000)"
)


@pytest.mark.parametrize(("wanted", "goes_on"), [("auto", {"gpu:0", "cpu"}), ("gpu", {"gpu:0"})])
def test_a_gpu_whose_worker_cannot_be_ended_is_left_out(
    make: Make, monkeypatch: pytest.MonkeyPatch, wanted: str, goes_on: set[str]
) -> None:
    """auto paints on the CPU meanwhile; who demands a GPU waits for it; each is told why, and nobody waits for ever."""
    pool = make(HANGS_ON_GPUS, devices=choose_devices(wanted, Gpus((Gpu(0),))))
    assert list(pool.openings(1000.0)) == []
    (worker,) = pool.workers
    with monkeypatch.context() as stuck:
        stuck.setattr(WorkerProcess, "kill", lambda _self: None)
        stuck.setattr("nst_batch.daemon.worker_process.GO_SECONDS", 0.05)
        stuck.setattr("nst_batch.daemon.worker_process.KILL_SECONDS", 0.05)
        found = watch(pool, 1000.0, 1021.0 + max(START_SECONDS, STALL))
    assert worker.lost
    assert told(found, "cannot be ended")
    later = 1100.0 + max(START_SECONDS, STALL)
    list(pool.openings(later))
    until(pool, later, lambda: all(one.ready for one in pool.workers if one is not worker))
    assert {one.device.name for one in pool.workers} == goes_on
    assert "cannot be ended" in pool.notes[0]
    assert not [event for event in found if isinstance(event, WorkerFault)]


def test_a_renewed_worker_that_cannot_be_ended_is_told(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """It had no job, and would keep its device in silence."""
    pool = make(READY + DEAF)
    assert list(pool.openings(1000.0)) == []
    until(pool, 1000.0, lambda: pool.workers[0].ready)
    pool.rest()
    with monkeypatch.context() as stuck:
        stuck.setattr(WorkerProcess, "kill", lambda _self: None)
        stuck.setattr("nst_batch.daemon.worker_process.GO_SECONDS", 0.05)
        stuck.setattr("nst_batch.daemon.worker_process.KILL_SECONDS", 0.05)
        found = watch(pool, 1001.0, 1100.0 + END_SECONDS)
    assert len(told(found, "cannot be ended")) == 1


def test_a_gpu_that_is_newer_than_tensorflow_has_the_time_to_be_compiled_for(make: Make) -> None:
    """Its driver is at it for half an hour: told once, and not taken for a hang; but not for ever."""
    says = "import sys, time; print('CUDA kernels will be jit-compiled from PTX', file=sys.stderr, flush=True); "
    pool = make(says + DEAF, devices=choose_devices("gpu", Gpus((Gpu(0),))))
    assert list(pool.openings(1000.0)) == []
    (worker,) = pool.workers
    until(pool, 1000.0, lambda: "PTX" in worker.stderr_tail())
    found = watch(pool, 1000.0, 1000.0 + HOUR)
    assert pool.workers == (worker,)
    assert len(told(found, "newer than this TensorFlow")) == 1
    watch(pool, 1000.0 + HOUR, 1021.0 + HOUR)
    assert not pool.workers


@pytest.mark.parametrize(("precision", "warned"), [("float32", 1), ("bfloat16", 0)])
def test_a_gpu_without_bfloat16_is_told_with_what_a_picture_takes(make: Make, precision: str, warned: int) -> None:
    """A T4 paints in float32, a good deal slower than people expect of a GPU."""
    facts = {"say": "ready", "device": "Tesla T4 (GPU 0)", "weights": "w", "rate": 4e12, "precision": precision}
    pool = make(f"import time; print({json.dumps(json.dumps(facts))}, flush=True); " + DEAF, devices=(gpu(Gpu(0)),))
    assert list(pool.openings(1000.0)) == []
    found: list[Event] = []
    end = time.monotonic() + 60
    while not told(found, "worker ready"):
        found += pool.news(1000.0)
        assert time.monotonic() < end
        time.sleep(0.01)
    assert len(told(found, "Tesla T4 (GPU 0) has no bfloat16 units")) == warned


def test_why_a_gpu_is_left_out_is_looked_for_in_its_device_files(
    make: Make, broken: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """CUDA says no more than that there is none, where a service's control group forbids them."""
    monkeypatch.setattr(
        "nst_batch.daemon.worker_pool.device_faults", lambda: "/dev/nvidiactl: Operation not permitted\n"
    )
    pool = make(PICKY, devices=choose_devices("auto", Gpus((Gpu(0),))))
    ready(pool, 1000.0, {"cpu"})
    assert "may not be opened" in pool.notes[0]
    assert "systemctl restart nst-batch" in pool.notes[0]
