"""doctor: every finding says what is, and where something is wrong, what to do about it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from nst_batch.child import Answer
from nst_batch.config.load import Config, load_config
from nst_batch.doctor import Check, examine
from nst_batch.doctor.check import Machine
from nst_batch.doctor.computing import memory, opencv, processor, system, tensorflow, weights
from nst_batch.doctor.folders import count_folders, file_system, file_systems, folder, free_space, watches
from nst_batch.doctor.gpu import TRIAL_SCRIPT, TRIAL_SECONDS
from nst_batch.footing import Footing
from nst_batch.gpus import Gpu, Gpus


class Fake(Machine):
    """A machine made of texts and answers."""

    def __init__(
        self,
        files: Mapping[str, str] | None = None,
        answers: Mapping[str, Answer | None] | None = None,
        environ: Mapping[str, str] | None = None,
        inotify: str = "",
        shown: tuple[int, ...] = (),
        tried: Answer | None = None,
        faults: str = "",
        memory_mb: tuple[float, float] = (8192.0, 16384.0),
    ) -> None:
        self.files = files or {}
        self.memory = memory_mb
        self.answers = answers or {}
        self.environ = environ or {}
        self.inotify = inotify
        self.shown = shown
        self.tried = tried
        self.faults = faults

    def read(self, path: str) -> str:
        return self.files.get(path, "")

    def memory_mb(self) -> tuple[float, float]:
        return self.memory

    def run(self, command: Sequence[str], seconds: float, environ: Mapping[str, str] | None = None) -> Answer | None:
        text = " ".join(command)
        if "try_out" in text:
            return self.tried
        return next((answer for key, answer in self.answers.items() if key in text), None)

    def has_command(self, name: str) -> bool:
        return name in self.answers

    def gpus(self) -> Gpus:
        return Gpus(tuple(Gpu(number) for number in self.shown))

    def device_faults(self) -> str:
        return self.faults

    def inotify_error(self) -> str:
        return self.inotify


def config(tmp_path: Path, text: str = "") -> Config:
    path = tmp_path / "config.yaml"
    path.write_text(text)
    return load_config(path)


def sees(*gpus: str) -> Answer:
    """What the child that imports TensorFlow prints, after remarks of libraries."""
    return Answer(
        0,
        "a remark\n" + json.dumps({"version": "2.21.0", "keras": "3.15.1", "cuda": True, "gpus": list(gpus)}) + "\n",
        "",
    )


# --- processor and memory -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("flags", "part"),
    [
        ("fpu avx512_bf16 amx_bf16", "bfloat16 (avx512_bf16, amx_bf16)"),
        ("fpu avx2", "no bfloat16"),
        ("", "no bfloat16"),
    ],
)
def test_processor_tells_of_bfloat16(flags: str, part: str) -> None:
    """What decides the precision of jobs is read off the processor's flags."""
    check = processor(Fake({"/proc/cpuinfo": f"processor\t: 0\nflags\t\t: {flags}\n"}))
    assert check.state == "ok"
    assert part in check.what


def test_memory_that_is_enough() -> None:
    """Free and total are told in GiB."""
    check = memory(Fake())
    assert check.state == "ok"
    assert check.what.startswith("8.0 GiB free of 16.0 GiB; 4:3 pictures up to ")


def test_memory_that_is_short() -> None:
    """What is left by other programs, or in a container, is told with what to do."""
    check = memory(Fake(memory_mb=(1024.0, 3072.0)))
    assert check.state == "warn"
    assert check.what.startswith("1.0 GiB free of 3.0 GiB")
    assert check.advice


@pytest.mark.parametrize("total", [500.0, 900.0, 1100.0, 1300.0, 3000.0])
def test_memory_for_no_picture_at_all(total: float) -> None:
    """No picture of 0 pixels is told of."""
    told = memory(Fake(memory_mb=(total, total))).what
    assert ("too little for any picture" in told) is (total < 1000.0)
    assert not re.search(r"\b0 px", told)


def test_memory_unknown() -> None:
    """A system without /proc is no reason to stop."""
    assert memory(Fake(memory_mb=(0.0, 0.0))).state == "warn"


# --- TensorFlow, OpenCV, devices ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("device", "answer", "driver", "state", "part"),
    [
        ("auto", sees(), None, "ok", "the CPU; no GPU here"),
        ("auto", sees("NVIDIA A"), "NVIDIA A, 24 GiB", "ok", "NVIDIA A (GPU 0) computes in bfloat16; a picture of"),
        ("auto", sees("NVIDIA A"), "NVIDIA A, 24576 MiB", "ok", "4:3 pictures up to "),
        ("auto", sees(), "NVIDIA A, 24 GiB", "warn", "TensorFlow does not see"),
        ("gpu", sees(), "NVIDIA A, 24 GiB", "bad", "TensorFlow does not see"),
        ("gpu", sees(), None, "bad", "no GPU here"),
        ("cpu", sees("NVIDIA A"), None, "ok", "as config.yaml asks"),
        ("[GPU-aa]", sees(), None, "bad", "GPU-aa is asked for, but no GPU here"),
    ],
)
def test_the_device_is_what_the_config_asks_for(
    tmp_path: Path, device: str, answer: Answer, driver: str | None, state: str, part: str
) -> None:
    """A GPU that is asked for and missing is bad, one that lies idle by accident is said, none is fine."""
    smi = {"nvidia-smi": Answer(0, f"{driver}\n", "")} if driver else {}
    machine = Fake(answers={"tensorflow": answer} | smi, shown=(0,) if driver else (), tried=computes("bfloat16"))
    version, found = tensorflow(config(tmp_path, f"device: {device}"), machine)
    assert (version.state, version.what) == ("ok", "2.21.0, built with CUDA, with Keras 3.15.1")
    assert found.state == state
    assert part in found.what
    assert bool(found.advice) == (state != "ok")


def trial(log: str = "", **said: str | float) -> Answer:
    """What the child says that tries a small step on one GPU."""
    return Answer(0, "\n" + json.dumps(said) + "\n", log)


def computes(precision: str) -> Answer:
    """A GPU on which it runs."""
    return trial(name="NVIDIA A (GPU 0)", precision=precision, rate=8e12)


def test_a_gpu_without_bfloat16_is_told_with_what_a_picture_takes(tmp_path: Path) -> None:
    """A T4 computes, and is slower than people expect of a GPU."""
    machine = Fake(answers={"tensorflow": sees("NVIDIA A")}, shown=(0,), tried=computes("float32"))
    _, found = tensorflow(config(tmp_path), machine)
    assert found.state == "warn"
    assert re.search(r"computes in float32; a picture of the default settings may take \d+", found.what)
    assert "bfloat16" in found.advice


def test_a_cause_is_told_once(tmp_path: Path) -> None:
    """The child that tries a step knows it mostly by the same words that its log holds."""
    what = "NVIDIA A (GPU 0): another program has the GPU for itself (compute mode EXCLUSIVE_PROCESS)"
    tried = trial("E CUDA_ERROR_DEVICE_UNAVAILABLE", message=what, advice="end it")
    _, found = tensorflow(config(tmp_path), Fake(answers={"tensorflow": sees("NVIDIA A")}, shown=(0,), tried=tried))
    assert found.what == f"gpu:0: {what}"


@pytest.mark.parametrize("seen", [(), ("NVIDIA A",)])
def test_device_files_that_may_not_be_opened_are_told(tmp_path: Path, seen: tuple[str, ...]) -> None:
    """CUDA itself says no more than that it sees no GPU."""
    machine = Fake(
        answers={"tensorflow": sees(*seen)},
        shown=(0,),
        tried=trial(message="sees none", advice="a"),
        faults="/dev/nvidiactl: Permission denied\n",
    )
    _, found = tensorflow(config(tmp_path), machine)
    assert "the GPU's device files may not be opened" in found.what
    assert "rights of /dev/nvidia*" in found.advice


@pytest.mark.parametrize(
    ("device", "tried", "state", "what", "advice"),
    [
        ("auto", trial(message="a small step failed", advice="look"), "warn", "gpu:0: a small step failed", "look"),
        ("gpu", trial(message="a small step failed", advice="look"), "bad", "gpu:0: a small step failed", "look"),
        (
            "gpu",
            trial("E failed: CUDA_ERROR_NO_BINARY_FOR_GPU: no kernel image is available", message="m", advice="a"),
            "bad",
            "no code for the GPU's architecture",
            "compute capability",
        ),
        (
            "gpu",
            Answer(-6, "", "F Loaded runtime CuDNN library: 8.9.0"),
            "bad",
            "another version of cuDNN",
            "LD_LIBRARY",
        ),
        ("gpu", Answer(-11, "", ""), "bad", "ended with -11", "Xid"),
        ("gpu", None, "bad", "took more than", "nvidia-smi"),
    ],
)
def test_a_gpu_that_does_not_compute_is_told_with_the_cause(
    tmp_path: Path, device: str, tried: Answer | None, state: str, what: str, advice: str
) -> None:
    """Each GPU is tried with the small step that a worker makes, and TensorFlow's own words are looked through."""
    machine = Fake(answers={"tensorflow": sees("NVIDIA A")}, shown=(0,), tried=tried)
    _, found = tensorflow(config(tmp_path, f"device: {device}"), machine)
    assert found.state == state
    assert what in found.what
    assert advice in found.advice


def test_the_children_that_are_asked_can_be_asked(tmp_path: Path) -> None:
    """No fake: TensorFlow is loaded for real, and a GPU that is not there is told by the child that tries one."""
    machine = Machine()
    machine.environ = {**os.environ, "CUDA_VISIBLE_DEVICES": "-1"}
    version, device = tensorflow(config(tmp_path, "device: cpu"), machine)
    assert (version.state, device.state) == ("ok", "ok"), version
    answer = machine.python(TRIAL_SCRIPT, TRIAL_SECONDS)
    assert answer is not None
    assert answer.status == 0, answer.err
    assert "sees no GPU" in json.loads(answer.out.splitlines()[-1])["message"]


def test_why_tensorflow_sees_no_gpu_is_read_from_its_log(tmp_path: Path) -> None:
    """It names the library that is missing, and goes on without the GPU."""
    log = "W dso_loader.cc] Could not load dynamic library 'libcudnn.so.9'; dlerror: no such file\n"
    machine = Fake(answers={"tensorflow": Answer(0, sees().out, log)}, shown=(0,))
    _, found = tensorflow(config(tmp_path), machine)
    assert found.what.endswith("(the library libcudnn.so.9 is missing or cannot be loaded)")
    assert "requirements/gpu.txt" in found.advice


def test_a_backend_that_does_not_count_is_told(tmp_path: Path) -> None:
    """KERAS_BACKEND is for other programs; who wonders finds it here."""
    machine = Fake(answers={"tensorflow": sees()}, environ={"KERAS_BACKEND": "torch", "KERAS_HOME": str(tmp_path)})
    version, _ = tensorflow(config(tmp_path), machine)
    assert version.state == "ok"
    assert "KERAS_BACKEND=torch in the environment does not count" in version.what


@pytest.mark.parametrize(("device", "state"), [("auto", "warn"), ("gpu", "bad"), ("[0]", "bad"), ("cpu", "ok")])
def test_a_gpu_whose_packages_are_missing_is_known_by_its_device_file(tmp_path: Path, device: str, state: str) -> None:
    """The plain install on a machine with a card: without nvidia-smi too it is told what to install."""
    machine = Fake(answers={"tensorflow": sees()}, shown=(0,))
    _, found = tensorflow(config(tmp_path, f"device: {device}"), machine)
    assert found.state == state
    if device == "auto":
        assert found.what == "the CPU: this machine shows gpu:0, which TensorFlow does not see"
        assert "[gpu]" in found.advice or "driver" in found.advice


@pytest.mark.parametrize(
    ("answer", "part"),
    [
        (Answer(1, "", "Traceback …\nModuleNotFoundError: No module named 'tensorflow'\n"), "No module named"),
        (Answer(-4, "", ""), "illegal instruction"),
        (Answer(-6, "", "F0 parse_flags_from_env.cc:234] Unknown flag in TF_XLA_FLAGS: --x\n"), "TF_XLA_FLAGS: --x"),
        (Answer(0, "no json", ""), "cannot be imported"),
        (Answer(0, "", ""), "cannot be imported"),
        (None, "did not load within"),
    ],
)
def test_a_tensorflow_that_does_not_load(tmp_path: Path, answer: Answer | None, part: str) -> None:
    """Missing, too new for the processor, silent or hanging: bad, with the reason and what to do."""
    (check,) = tensorflow(config(tmp_path), Fake(answers={"tensorflow": answer}))
    assert check.state == "bad"
    assert part in check.what
    assert check.advice


@pytest.mark.parametrize(("library", "package"), [("libGL.so.1", "libgl1"), ("libgthread-2.0.so.0", "libglib2.0-0")])
def test_a_missing_system_library_is_named_with_its_package(library: str, package: str) -> None:
    """What a bare server lacks for OpenCV is told as the command that brings it."""
    error = f"ImportError: {library}: cannot open shared object file: No such file or directory\n"
    check = opencv(Fake(answers={"cv2": Answer(1, "", error)}))
    assert (check.state, check.advice) == ("bad", f"apt-get install {package}")
    assert library in check.what


def test_other_ends_of_opencv() -> None:
    """An unknown library, a missing module, no answer, and success."""
    unknown = "ImportError: libodd.so.3: cannot open shared object file: No such file or directory"
    assert "libodd.so.3" in opencv(Fake(answers={"cv2": Answer(1, "", unknown)})).advice
    missing = opencv(Fake(answers={"cv2": Answer(1, "", "ModuleNotFoundError: No module named 'cv2'")}))
    assert (missing.state, missing.what) == ("bad", "cannot be imported: ModuleNotFoundError: No module named 'cv2'")
    assert opencv(Fake()).state == "bad"
    assert opencv(Fake(answers={"cv2": Answer(0, "5.0.0\n", "")})) == Check("OpenCV", "ok", "5.0.0")


# --- weights --------------------------------------------------------------------------------------------


def test_weights_that_would_be_fetched(tmp_path: Path) -> None:
    """Nothing is fetched or made for the look; the file's name, place and source are told."""
    home = tmp_path / "keras"
    check = weights(config(tmp_path), Fake(environ={"KERAS_HOME": str(home)}))
    assert check.state == "warn"
    assert str(home / "models") in check.advice
    assert "https://" in check.advice
    assert not home.exists()


@pytest.fixture
def rights_count(monkeypatch: pytest.MonkeyPatch) -> None:
    """Access is decided by the owner's bits, also for root, who may do everything."""
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path).stat().st_mode >> 6 & mode == mode)


@pytest.mark.usefixtures("rights_count")
def test_weights_that_cannot_be_fetched(tmp_path: Path) -> None:
    """A cache that cannot be written makes their absence grave."""
    tmp_path.joinpath("keras").mkdir(mode=0o500)
    check = weights(config(tmp_path), Fake(environ={"KERAS_HOME": str(tmp_path / "keras")}))
    assert check.state == "bad"


def test_weights_by_path(tmp_path: Path) -> None:
    """A missing file, one that is no HDF5 file, and one that may be."""
    text = "weights: vgg.h5"
    assert weights(config(tmp_path, text), Fake()).state == "bad"
    (tmp_path / "vgg.h5").write_bytes(b"<html>not found</html>")
    damaged = weights(config(tmp_path, text), Fake())
    assert damaged.state == "bad"
    assert damaged.advice
    (tmp_path / "vgg.h5").write_bytes(b"\x89HDF\r\n\x1a\n" + bytes([2]) + bytes(100))
    good = weights(config(tmp_path, text), Fake())
    assert good.state == "ok"
    assert str(tmp_path / "vgg.h5") in good.what


def test_untrained_weights_are_no_accident(tmp_path: Path) -> None:
    """A config left at untrained is pointed out."""
    assert weights(config(tmp_path, "weights: untrained"), Fake()).state == "warn"


# --- folders --------------------------------------------------------------------------------------------


def test_folders(tmp_path: Path) -> None:
    """There; to be made; a file in its place; a library that is missing."""
    assert folder("inbox", tmp_path, write=True) == Check("inbox", "ok", str(tmp_path))
    assert folder("inbox", tmp_path / "a" / "b", write=True).state == "ok"
    assert not (tmp_path / "a").exists()
    (tmp_path / "file").write_text("")
    assert folder("inbox", tmp_path / "file", write=True).state == "bad"
    assert folder("library", tmp_path / "styles", write=False).state == "bad"


@pytest.mark.usefixtures("rights_count")
def test_folders_without_rights(tmp_path: Path) -> None:
    """What cannot be written or read is bad and says which of the two."""
    path = tmp_path / "box"
    path.mkdir(mode=0o500)
    assert "written" in folder("inbox", path, write=True).what
    assert folder("library", path, write=False).state == "ok"
    assert folder("inbox", path / "new", write=True).state == "bad"
    path.chmod(0o200)
    assert "read" in folder("library", path, write=False).what


def test_free_space_against_the_limit(tmp_path: Path) -> None:
    """Below min_free_gb nothing starts, near it is said."""
    free = os.statvfs(tmp_path).f_bavail * os.statvfs(tmp_path).f_frsize / 1e9
    assert free_space("inbox", tmp_path / "not" / "yet", free / 4).state == "ok"
    assert free_space("inbox", tmp_path, free / 1.5).state == "warn"
    full = free_space("inbox", tmp_path, free * 2)
    assert full.state == "bad"
    assert "min_free_gb" in full.advice


def mounts(*points: tuple[str, str]) -> str:
    lines = (f"{n} 1 0:{n} / {point} rw,relatime shared:{n} - {kind} dev rw" for n, (point, kind) in enumerate(points))
    return "\n".join(lines) + "\n"


def test_file_system_of_the_longest_and_latest_mount() -> None:
    """The deepest mount point counts, whole names only, later mounts hide earlier ones, escapes are undone."""
    text = mounts(("/", "ext4"), ("/srv", "xfs"), ("/srv/a\\040b", "nfs4"), ("/srv/c", "btrfs"), ("/srv/c", "cifs"))
    assert file_system(Path("/home/x"), text) == "ext4"
    assert file_system(Path("/srv/in"), text) == "xfs"
    assert file_system(Path("/srv-other"), text) == "ext4"
    assert file_system(Path("/srv/a b/c"), text) == "nfs4"
    assert file_system(Path("/srv/c/d"), text) == "cifs"
    assert file_system(Path("/srv"), "garbage\n\n 1 2 - x\n") == ""


def test_the_system_itself_is_named_or_what_it_lacks() -> None:
    """One line where all is well, else one for each thing."""
    good = Footing("Linux", "6.1", "glibc 2.36", "x86_64", (3, 11), True, 4096)
    assert list(system(good)) == [Check("system", "ok", "Linux 6.1, glibc 2.36, x86_64")]
    bad = list(system(good._replace(libc="", files=10)))
    assert [check.state for check in bad] == ["bad", "bad"]
    assert all(check.advice for check in bad)


def test_file_system_of_this_machine() -> None:
    """The kernel's own table is understood."""
    assert file_system(Path("/proc/self"), Machine().read("/proc/self/mountinfo")) == "proc"


@pytest.mark.parametrize(
    ("kind", "polling", "states"),
    [
        ("ext4", "auto", ["ok"]),
        ("nfs4", "auto", ["ok", "ok"]),
        ("fuse.sshfs", "false", ["ok", "warn"]),
        ("cifs", "true", ["ok", "ok"]),
        ("vfat", "auto", ["ok", "warn"]),  # no rights of its own
        ("9p", "auto", ["ok", "ok", "warn"]),
    ],
)
def test_network_file_systems_are_polled(tmp_path: Path, kind: str, polling: str, states: list[str]) -> None:
    """Where the kernel tells nothing, polling is expected and its absence is said."""
    found = file_systems(
        config(tmp_path, f"watch: {{polling: {polling}}}"), Fake({"/proc/self/mountinfo": mounts(("/", kind))})
    )
    assert [check.state for check in found] == states
    assert kind in found[0].what


def test_sharing_of_disk_blocks_is_told(tmp_path: Path) -> None:
    """Whether archived inputs take space of their own depends on the file system."""
    for kind, part in (("btrfs", "share disk blocks"), ("ext4", "space of their own")):
        (check,) = file_systems(config(tmp_path), Fake({"/proc/self/mountinfo": mounts(("/", kind))}))
        assert part in check.what


def test_watches(tmp_path: Path) -> None:
    """Few watches, no instance left, and enough of both."""
    (tmp_path / "inbox" / "a" / "b").mkdir(parents=True)
    (tmp_path / "inbox" / ".nst_batch" / "claims").mkdir(parents=True)
    assert count_folders(tmp_path / "inbox") == 3
    limit = "/proc/sys/fs/inotify/max_user_watches"
    settings = config(tmp_path)
    assert watches(settings, Fake({limit: "524288\n"})).state == "ok"
    few = watches(settings, Fake({limit: "4000\n"}))
    assert few.state == "warn"
    assert "max_user_watches" in few.advice
    none = watches(settings, Fake({limit: "524288\n"}, inotify="Too many open files"))
    assert none.state == "warn"
    assert "max_user_instances" in none.advice


# --- the whole ------------------------------------------------------------------------------------------


def test_the_real_machine_answers() -> None:
    """Commands that fail, hang or are missing come back as such; inotify works here."""
    machine = Machine()
    assert machine.python("import sys; print('x'); sys.exit(3)", 60) == Answer(3, "x\n", "")
    assert machine.python("import time; time.sleep(60)", 0.2) is None
    assert machine.run(["nst-batch-no-such-command"], 5) is None
    assert machine.read("/proc/no/such/file") == ""
    assert machine.inotify_error() == ""
    assert machine.has_command("sh")
    assert not machine.has_command("nst-batch-no-such-command")


def test_a_machine_that_is_fine(tmp_path: Path) -> None:
    """With everything there, every check is ok, each has a name, and the folder is as it was."""
    (tmp_path / "styles").mkdir()
    (tmp_path / "vgg.h5").write_bytes(b"\x89HDF\r\n\x1a\n" + bytes([2]) + bytes(100))
    settings = config(tmp_path, "weights: vgg.h5\nlibrary: [styles]\nlimits: {min_free_gb: 0}\n")
    before = sorted(path.name for path in tmp_path.iterdir())
    files = {
        "/proc/cpuinfo": "flags : avx512_bf16",
        "/proc/self/mountinfo": mounts(("/", "xfs")),
        "/proc/sys/fs/inotify/max_user_watches": "524288",
    }
    answers = {"tensorflow": sees(), "cv2": Answer(0, "5.0.0\n", "")}
    checks = list(examine(settings, Fake(files, answers)))
    assert [check for check in checks if check.state != "ok" and check.name != "Python"] == []
    names = {check.name for check in checks}
    assert {"config", "processor", "memory", "inbox", "outbox", "library", "disk", "file systems"} <= names
    assert {"watches", "weights", "OpenCV", "TensorFlow", "device"} <= names
    assert sorted(path.name for path in tmp_path.iterdir()) == before


def test_doctor_stays_light() -> None:
    """Neither TensorFlow nor OpenCV nor NumPy is imported into the process that examines."""
    script = (
        "import sys, nst_batch.doctor\nprint([m for m in ('tensorflow', 'keras', 'cv2', 'numpy') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
