"""The crew: workers that hang where no job is to blame, and a daemon that was asleep itself."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from nst_batch.config import parse_config
from nst_batch.crew import END_SECONDS, START_PAUSES, START_SECONDS, Crew
from nst_batch.events import Died, Event, Fault, Phased
from nst_batch.gpus import Gpu, Gpus
from nst_batch.roster import RETRY_SECONDS
from nst_batch.spool import Attempts, HandOut, Job
from nst_batch.workers import Device, Worker, choose_devices, cpu

STALL = 600.0
TWO = Gpus((Gpu(0), Gpu(1)))
READY = 'import os, sys, time; print(\'{"say": "ready", "device": "d", "weights": "w"}\', flush=True); '
DEAF = "time.sleep(1000)"
Make = Callable[..., Crew]


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    """A crew whose workers run the given lines of Python."""
    crews: list[Crew] = []

    def one(lines: str, jobs: str = "attempts: 3", devices: tuple[Device, ...] = (cpu(),)) -> Crew:
        config = parse_config(f"jobs: {{{jobs}}}\n", tmp_path / "config.yaml")
        crews.append(Crew(config, devices, parent=0, command=(sys.executable, "-c", lines)))
        return crews[-1]

    yield one
    for crew in crews:
        crew.kill()


def watch(crew: Crew, begin: float, end: float) -> list[Event]:
    """What happens in that time, with a daemon that looks every so often."""
    moments = [begin + 20.0 * n for n in range(int((end - begin) / 20.0) + 1)]
    return [event for now in (*moments, end) for event in crew.news(now)]


def told(events: list[Event], words: str) -> list[Event]:
    return [event for event in events if isinstance(event, Phased) and words in event.phase]


def die(crew: Crew, now: float) -> list[Event]:
    """What is told of a worker that is started now and dies before it is ready."""
    assert list(crew.ready_for_work(now)) == []
    assert len(crew.workers) == 1
    found: list[Event] = []
    end = time.monotonic() + 60
    while crew.workers:
        found += crew.news(now)
        assert time.monotonic() < end
        time.sleep(0.01)
    return found


def until(crew: Crew, now: float, condition: Callable[[], bool]) -> None:
    """Wait in real time for what a process does."""
    end = time.monotonic() + 60
    while not condition():
        list(crew.news(now))
        assert time.monotonic() < end
        time.sleep(0.01)


def test_a_worker_that_hangs_before_it_is_ready_is_replaced_and_told(make: Make) -> None:
    """A driver may hang while it is loaded: no job is at work then, and none would ever start."""
    crew = make("import time; " + DEAF)
    now = 1000.0
    for pause in START_PAUSES[:3]:
        assert list(crew.ready_for_work(now)) == []
        assert len(crew.workers) == 1
        assert not told(watch(crew, now, now + STALL), "took more")
        assert len(crew.workers) == 1
        now += STALL + 1
        assert told(list(crew.news(now)), "took more than 10 min to start")
        assert not crew.workers
        now += pause


def test_workers_killed_while_they_start_are_started_again_for_as_long_as_it_lasts(make: Make) -> None:
    """The kernel may be short of memory all night: each death is told, the pauses grow, nobody gives up."""
    crew = make("import os; os.kill(os.getpid(), 9)")
    now, found = 1000.0, []
    for pause in (*START_PAUSES, START_PAUSES[-1], START_PAUSES[-1]):
        found += die(crew, now)
        assert "was killed by SIGKILL" in (crew.trouble or "")
        assert list(crew.ready_for_work(now + pause - 0.1)) == []
        assert not crew.workers, "started before its pause was over"
        now += pause
    assert not [event for event in found if isinstance(event, Fault)]
    assert len(told(found, "before it was ready")) == len(START_PAUSES) + 2
    assert told(found, "another one is started in 5 min")


def test_a_worker_that_ends_by_itself_time_after_time_is_a_fault_of_the_installation(make: Make) -> None:
    """A broken TensorFlow is broken at every start: a person must mend it, and is told the worker's last words."""
    crew = make("raise SystemExit('libGL.so.1 is not there')")
    now = 1000.0
    for _ in range(2):
        assert not [event for event in die(crew, now) if isinstance(event, Fault)]
        now = crew.start_due
    (fault,) = (event for event in die(crew, now) if isinstance(event, Fault))
    assert "libGL.so.1 is not there" in fault.message


def test_a_worker_that_comes_up_in_the_end_ends_the_trouble(make: Make, tmp_path: Path) -> None:
    """What `status` said of the deaths before it is not true any more."""
    mark = tmp_path / "tried"
    crew = make(f"import os, pathlib\nif not pathlib.Path({str(mark)!r}).exists():\n"
                f"    pathlib.Path({str(mark)!r}).touch(); os.kill(os.getpid(), 9)\n" + READY + DEAF)  # fmt: skip
    die(crew, 1000.0)
    assert crew.trouble
    assert list(crew.ready_for_work(crew.start_due)) == []
    until(crew, crew.start_due, lambda: bool(crew.workers) and crew.workers[0].ready)
    assert crew.trouble is None


def test_a_short_stall_timeout_does_not_hurry_a_worker_that_loads(make: Make) -> None:
    """A person with small pictures may allow a step two seconds; TensorFlow from a slow disk takes longer."""
    crew = make("import time; " + DEAF, "stall_timeout: 2")
    assert list(crew.ready_for_work(1000.0)) == []
    watch(crew, 1000.0, 1000.0 + START_SECONDS)
    assert len(crew.workers) == 1
    watch(crew, 1000.0 + START_SECONDS, 1021.0 + START_SECONDS)
    assert not crew.workers


def test_a_worker_that_does_not_end_when_told_is_ended(make: Make) -> None:
    """One that is to be renewed and hangs would keep its device for ever."""
    crew = make(READY + DEAF)
    assert list(crew.ready_for_work(1000.0)) == []
    until(crew, 1000.0, lambda: crew.workers[0].ready)
    crew.rest()
    watch(crew, 1001.0, 1001.0 + END_SECONDS)
    assert len(crew.workers) == 1
    until(crew, 1002.0 + END_SECONDS, lambda: not crew.workers)


@pytest.mark.parametrize(("kills", "code"), [(0, "worker_died"), (1, "out_of_memory")])
def test_a_worker_that_the_kernel_ends_for_memory_is_known_by_its_counter(
    make: Make, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, kills: int, code: str
) -> None:
    """SIGKILL says nothing of its reason; the size that the worker said would fit stands in the advice."""
    counter = [7]
    monkeypatch.setattr("nst_batch.workers.oom_kills", lambda: counter[0])
    says = 'sys.stdin.readline(); print(\'{"say": "fits", "size": 640}\', flush=True); sys.stdin.readline(); '
    crew = make(READY + says + "os.kill(os.getpid(), 9)")
    assert list(crew.ready_for_work(1000.0)) == []
    until(crew, 1000.0, lambda: crew.workers[0].ready)
    crew.give(crew.workers[0], handout(tmp_path), 1000.0)
    until(crew, 1000.0, lambda: crew.workers[0].fits == 640)
    counter[0] += kills
    crew.workers[0].tell({"do": "end"})
    found: list[Event] = []
    while not found:
        found = [event for event in crew.news(1000.0) if isinstance(event, Died)]
    assert found[0].death.code == code
    assert found[0].death.by_signal
    assert ("640" in found[0].death.advice) is bool(kills)


def handout(folder: Path) -> HandOut:
    job = Job(
        id="c.0001",
        name="a",
        title="a",
        output="",
        priority=0,
        claim="c",
        index=1,
        arrival="now",
        claim_folder=folder,
        folder=folder,
        running=folder,
        spec=None,
        attempts=Attempts(),
    )
    return HandOut(job, folder, folder, attempt=1, checkpoint=False)


def test_a_daemon_that_was_asleep_blames_no_worker(make: Make) -> None:
    """Stopped together for an hour, as a machine is, nobody had a chance to make a step meanwhile."""
    crew = make("import time; " + DEAF)
    assert list(crew.ready_for_work(1000.0)) == []
    list(crew.news(1001.0))
    list(crew.news(1001.0 + 3600.0))
    assert len(crew.workers) == 1


PICKY = """
import json, sys, time
options = json.loads(sys.argv[1])
if options["device"] != "cpu":
    fault = {"say": "fault", "code": "device_missing", "message": "no GPU", "advice": "install it"}
    print(json.dumps(fault), flush=True)
    sys.exit(78)
print(json.dumps({"say": "ready", "device": options["note"], "weights": "w"}), flush=True)
time.sleep(1000)
"""


def test_auto_goes_on_with_the_cpu_where_no_gpu_can_be_used(make: Make) -> None:
    """Both are lost: one worker on the CPU, told loudly, and every job is to bear the note."""
    crew = make(PICKY, devices=choose_devices("auto", TWO))
    now, told = 1000.0, []
    end = time.monotonic() + 60
    while not any(worker.ready for worker in crew.workers):
        list(crew.ready_for_work(now))
        told += list(crew.news(now))
        assert time.monotonic() < end
        time.sleep(0.01)
    (worker,) = crew.workers
    assert worker.device.name == "cpu"
    assert len(crew.notes) == 2
    assert worker.details["device"].startswith("painted on the CPU: ")
    assert all(note in worker.details["device"] for note in crew.notes)
    told_of = [event.phase for event in told if isinstance(event, Phased) and "left out" in event.phase]
    assert told_of[:2] == [crew.notes[0], worker.details["device"]]
    assert not [event for event in told if isinstance(event, Fault)]


@pytest.mark.parametrize("wanted", ["gpu", (0,)])
def test_a_gpu_that_was_asked_for_is_insisted_on(make: Make, wanted: str | tuple[int, ...]) -> None:
    """Nothing goes on silently on the CPU."""
    crew = make(PICKY, devices=choose_devices(wanted, Gpus((Gpu(0),))))
    told: list[Event] = []
    end = time.monotonic() + 60
    list(crew.ready_for_work(1000.0))
    while not [event for event in told if isinstance(event, Fault)]:
        told += list(crew.news(1000.0))
        assert time.monotonic() < end
        time.sleep(0.01)
    assert not [worker for worker in crew.workers if worker.ready]


BROKEN = """
import json, os, sys, time
from pathlib import Path
options = json.loads(sys.argv[1])
broken = Path(os.environ["BROKEN_GPUS"]).read_text().split()
if options["device"] in broken:
    print("CUDA_ERROR_DEVICE_UNAVAILABLE", file=sys.stderr, flush=True)
    fault = {"say": "fault", "code": "device_failed", "message": "a small step failed", "advice": "doctor"}
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


def ready(crew: Crew, now: float, names: set[str]) -> list[Event]:
    """Until exactly these have a worker that is ready, and none other is left."""
    found: list[Event] = []
    end = time.monotonic() + 60
    while {worker.device.name for worker in crew.workers} != names or not all(w.ready for w in crew.workers):
        list(crew.ready_for_work(now))
        found += crew.news(now)
        assert time.monotonic() < end, (found, crew.workers)
        time.sleep(0.01)
    return found


@pytest.mark.parametrize("wanted", ["auto", "gpu"])
def test_a_gpu_on_which_nothing_runs_is_retired_and_tried_again(make: Make, broken: Path, wanted: str) -> None:
    """No job is spent on it, the other goes on, the reason is in TensorFlow's own words; once mended it works again."""
    crew = make(BROKEN, devices=choose_devices(wanted, TWO))
    found = ready(crew, 1000.0, {"gpu:0"})
    (note,) = crew.notes
    assert "another program has the GPU for itself" in note
    assert [event for event in found if isinstance(event, Phased) and event.phase == note]
    assert not [event for event in found if isinstance(event, Fault)]
    broken.write_text("")
    ready(crew, 1000.0 + RETRY_SECONDS[0] - 1, {"gpu:0"})
    ready(crew, 1000.0 + RETRY_SECONDS[0], {"gpu:0", "gpu:1"})
    assert crew.notes == ()


def test_the_last_gpu_that_was_demanded_is_a_fault(make: Make, broken: Path) -> None:
    """Nothing is left: a person has to look."""
    broken.write_text("gpu:0 gpu:1")
    crew = make(BROKEN, devices=choose_devices("gpu", TWO))
    found: list[Event] = []
    end = time.monotonic() + 60
    while not (faults := [event for event in found if isinstance(event, Fault)]):
        list(crew.ready_for_work(1000.0))
        found += crew.news(1000.0)
        assert time.monotonic() < end
        time.sleep(0.01)
    assert "another program has the GPU for itself" in faults[0].message
    assert "nvidia-smi -c DEFAULT" in faults[0].advice


def test_a_gpu_whose_workers_abort_at_their_start_is_retired(make: Make, broken: Path) -> None:
    """TensorFlow ends the process on some broken installations: with auto the CPU paints, at once."""
    broken.write_text("gpu:0:aborts gpu:1:aborts")
    crew = make(BROKEN, devices=choose_devices("auto", TWO))
    now = 1000.0
    while not any(worker.ready for worker in crew.workers):
        list(crew.ready_for_work(now))
        list(crew.news(now))
        now += 1.0
        time.sleep(0.01)
        assert now < 1000.0 + 6000.0
    ready(crew, now, {"cpu"})


def test_a_worker_that_cannot_be_ended_blocks_nobody(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the kernel's uninterruptible sleep no signal helps: it keeps its device and its job until it goes."""
    crew = make(READY + DEAF)
    now = 1000.0
    list(crew.ready_for_work(now))
    until(crew, now, lambda: crew.workers[0].ready)
    (worker,) = crew.workers
    given = handout(tmp_path)
    crew.give(worker, given, now)
    with monkeypatch.context() as stuck:
        stuck.setattr(Worker, "kill", lambda _self: None)
        stuck.setattr("nst_batch.workers.GO_SECONDS", 0.05)
        stuck.setattr("nst_batch.workers.KILL_SECONDS", 0.05)
        found = watch(crew, now, now + STALL + 60)
        found += crew.news(now + STALL + 61)
    assert told(found, "cannot be ended")
    assert not [event for event in found if isinstance(event, Died)]
    assert "dmesg" in (crew.trouble or "")
    assert list(crew.ready_for_work(now + STALL + 61)) == []
    assert crew.workers == (worker,)
    assert crew.at_work_on(given.job.id) is worker
    assert crew.busy == ()
    worker.kill()
    worker.process.wait()
    assert [event.handout for event in crew.news(now + STALL + 62) if isinstance(event, Died)] == [given]
    assert crew.workers == ()
