"""``stylize``: one pair, now, with everything that can be wrong told before TensorFlow is loaded."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from house import House, draw
from PIL import Image

from nst_batch.cli import main
from nst_batch.cli.display import Interrupts
from nst_batch.gpus import Gpu, Gpus


@pytest.fixture
def place(house: House, monkeypatch: pytest.MonkeyPatch) -> Iterator[House]:
    """A house whose folder is the working one, with two images; what `stylize` sets in its process is put back."""
    monkeypatch.chdir(house.root)
    monkeypatch.setenv("NST_BATCH_CONFIG", str(house.config))
    for name in ("CUDA_VISIBLE_DEVICES", "CUDA_DEVICE_ORDER"):
        monkeypatch.setenv(name, os.environ.get(name, ""))
    draw(house.root / "c.png")
    draw(house.root / "s.png", hue=80)
    before = signal.getsignal(signal.SIGTERM)
    yield house
    signal.signal(signal.SIGTERM, before)


@pytest.mark.parametrize(("key", "named"), [("size=16384", "size"), ("style_size=16384", "style_size")])
def test_what_is_sure_not_to_fit_is_told_at_once(
    place: House, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, key: str, named: str
) -> None:
    """With the size that should fit, and nothing left behind."""
    monkeypatch.setattr("nst_batch.capacity.machine_memory.total_mb", lambda: 8192.0)
    assert main(["stylize", "c.png", "s.png", "out", "--set", key]) == 1
    what, advice = capfd.readouterr().err.splitlines()
    assert what.endswith("of memory, and there are 8.0 GiB")
    assert advice.startswith(f"nst-batch: {named} ")
    assert not (place.root / "out").exists()


def test_one_pair_into_a_folder(place: House, capfd: pytest.CaptureFixture[str]) -> None:
    """The picture and all that belongs to it in OUTPUT/TITLE, or TITLE-2 where that stands; nothing else is left."""
    (place.root / "out/T").mkdir(parents=True)
    words = ["--title", "T", "--save-epoch", "--set", "seed=1", "--set", "init=start.jpg"]
    draw(place.root / "start.jpg", hue=160)
    assert main(["stylize", "c.png", "s.png", "out", *words]) == 0
    told = capfd.readouterr()
    assert told.out == "out/T-2/T.png\n"
    assert [line.split(",")[0] for line in told.err.splitlines()[1:]] == ["epoch 1/2", "epoch 2/2"]
    assert sorted(path.name for path in (place.root / "out").iterdir()) == ["T", "T-2"]
    folder = place.root / "out/T-2"
    assert {path.name for path in folder.iterdir()} == {
        "T.png",
        "epochs",
        "loss.json",
        "loss.svg",
        "job.json",
        "index.html",
    }
    job = json.loads((folder / "job.json").read_text())
    assert (job["state"], job["settings"]["seed"], job["settings"]["init"]) == ("done", 1, "start.jpg")
    assert [(each["role"], each["name"]) for each in job["inputs"]] == [
        ("content", "c.png"),
        ("style", "s.png"),
        ("init", "start.jpg"),
    ]
    asked = {"content": "c.png", "style": "s.png", "title": "T", "seed": 1, "init": "start.jpg", "save_epoch": True}
    assert job["sidecar"] == asked
    assert json.loads(Image.open(folder / "T.png").text["nst_batch"])["id"] == job["id"]


def test_a_mask_of_another_shape_is_told_at_once(place: House, capfd: pytest.CaptureFixture[str]) -> None:
    """Before TensorFlow is loaded, and nothing is left behind."""
    draw(place.root / "mask.png", size=(64, 64))
    assert main(["stylize", "c.png", "s.png", "out", "--set", "mask=mask.png"]) == 1
    assert "mask.png: the mask has 64 × 64 pixels, its content 64 × 48" in capfd.readouterr().err
    assert not (place.root / "out").exists()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_first_interruption_is_a_instruction_and_a_second_one_ends(number: signal.Signals) -> None:
    """The handlers from before are back afterwards."""
    before = signal.getsignal(number)
    with Interrupts() as interrupts:
        assert interrupts.instruction() == "go"
        signal.raise_signal(number)
        assert interrupts.instruction() == "stop"
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(number)
    assert signal.getsignal(number) is before


def test_an_interruption_ends_with_the_picture_as_it_stands(place: House) -> None:
    """What was painted so far is a result, and nothing else is left."""
    command = [sys.executable, "-m", "nst_batch", "stylize", "c.png", "s.png", "out", "--set", "epochs=10000"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as job:
        assert job.stderr is not None
        assert any(line.startswith("epoch 1/") for line in job.stderr)
        job.send_signal(signal.SIGTERM)
        said, _ = job.communicate(timeout=120)
    assert job.returncode == 0
    assert said == "out/c-s/c-s.png\n"
    assert [path.name for path in (place.root / "out").iterdir()] == ["c-s"]
    assert json.loads((place.root / "out/c-s/job.json").read_text())["state"] == "stopped"


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["nothere.png", "s.png", "out"], 2, "nothere.png: there is no such image"),
        ([".", "s.png", "out"], 2, ".: is not a file"),
        (["c.png", "s.png", "out", "--set", "init=nothere.png"], 2, "nothere.png: there is no such image"),
        (["c.png", "s.png", "out", "--set", "epocs=3"], 2, "did you mean 'epochs'?"),
        (["c.png", "s.png", "out", "--set", "title=T"], 2, "title: is not set so: it is --title"),
        (["c.png", "s.png", "out", "--set", "vary={seed: [1]}"], 2, "vary: is not set so: it is for several jobs of"),
        (["c.png", "s.png", "out", "--set", "path_style=s.png"], 2, "path_style: is not set so: it is the second word"),
        (["c.png", "s.png", "out", "--set", "content=c.png"], 2, "content: is not set so: it is the first word"),
        (["c.png", "s.png", "out", "--set", "preset=finest"], 2, "did you mean 'fine'"),
        (["c.png", "s.png", "out", "--title", "a/b"], 2, "a/b"),
        (["c.png", "s.png", "c.png"], 2, "c.png: File exists"),
        (["c.png", "s.png", "c.png/out"], 2, "c.png/out: Not a directory"),
        (["c.png", "config.yaml", "out"], 1, "config.yaml: is a text"),
        (["c.png", "ribbon.png", "out"], 1, "ribbon.png: 640 × 40 becomes 48 × 3"),
    ],
)
def test_what_cannot_be_is_refused_at_once(
    place: House, capsys: pytest.CaptureFixture[str], words: list[str], code: int, said: str
) -> None:
    """In two plain lines, before anything is loaded, and with nothing left behind."""
    draw(place.root / "ribbon.png", size=(640, 40))
    assert main(["stylize", *words]) == code
    told = capsys.readouterr().err
    assert said in told
    assert "loading" not in told
    assert len(told.splitlines()) == 2
    assert not (place.root / "out").exists()


def test_all_that_is_at_odds_is_told_at_once(place: House, capsys: pytest.CaptureFixture[str]) -> None:
    """Each with its own advice, which stands together."""
    words = [part for word in ("preset=nnst", "optimizer=lbfgs", "epochs=[1]") for part in ("--set", word)]
    assert main(["stylize", "c.png", "s.png", str(place.root / "out"), *words]) == 2
    epochs, optimizer, advice = capsys.readouterr().err.splitlines()
    assert "--set epochs: has 1 number" in epochs
    assert "--set optimizer: must be adam" in optimizer
    assert advice == "nst-batch: write 2 to 7 numbers; write optimizer: adam"


def test_weights_that_are_not_there_are_missed_at_once(place: House, capsys: pytest.CaptureFixture[str]) -> None:
    """With the exit code of a wrong set-up, as `run` has it."""
    place.configure(weights="/nowhere/vgg19.h5")
    assert main(["stylize", "c.png", "s.png", "out"]) == 78
    assert "/nowhere/vgg19.h5" in capsys.readouterr().err


def test_it_paints_on_the_device_of_the_config(place: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first of several GPUs, which TensorFlow then sees alone."""
    from nst_batch.errors import SetupError
    from nst_batch.worker.session import DeviceSession

    opened: list[tuple[str, str]] = []

    def open_session(_weights: str, device: str, *_rest: object) -> DeviceSession:
        opened.append((device, os.environ["CUDA_VISIBLE_DEVICES"]))
        raise SetupError("device_missing", "no such GPU")

    monkeypatch.setattr(DeviceSession, "open", open_session)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    place.configure(device=[2, 0])
    assert main(["stylize", "c.png", "s.png", "out"]) == 78
    assert opened == [("gpu:2", "2")]


def test_auto_paints_on_the_cpu_where_no_gpu_can_be_used(
    place: House, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """A device file without CUDA's packages: the terminal and job.json say why it was the CPU."""
    from nst_batch.cli import one_off

    monkeypatch.setattr(one_off, "find_gpus", lambda: Gpus((Gpu(99),)))
    place.configure(device="auto")
    assert main(["stylize", "c.png", "s.png", "out", "--title", "T"]) == 0
    job = json.loads((place.root / "out/T/job.json").read_text())
    assert job["device"] == "CPU"
    (note,) = job["notes"]
    assert note.startswith("painted on the CPU: ")
    assert "gpu:99" in note
    assert note in capfd.readouterr().err.splitlines()


def test_show_without_a_display_is_a_plain_error(place: House) -> None:
    """No crash of a windowing library, and nothing painted in vain."""
    done = subprocess.run(
        [sys.executable, "-m", "nst_batch", "stylize", "c.png", "s.png", "out", "--show"],
        env={"PATH": "/usr/bin:/bin", "NST_BATCH_CONFIG": str(place.config)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2, done.stderr
    assert "display" in done.stderr
    assert "Traceback" not in done.stderr
    assert not Path("out").exists()
