"""The house as a whole: imports run one way, heavy libraries stay in their rooms, one package prints."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import nst_batch

ROOT = Path(nst_batch.__file__).parent

# Low to high: a module may import what stands before it, and within its own package.
ORDER = (
    "__init__",
    "characters",
    "errors",
    "memory",
    "gpus",
    "names",
    "yamlmarks",
    "yamlmodels",
    "presets",
    "setting_values",
    "settings",
    "beneath",
    "filetree",
    "resolver",
    "sidecar_model",
    "sidecar",
    "config_model",
    "config",
    "messages",
    "job",
    "sizing",
    "colors",
    "images",
    "sample",
    "transfer",
    "fitting",
    "spool",
    "report",
    "checkpoints",
    "material",
    "results",
    "shown",
    "studio",
    "generation",
    "worker",
    "workers",
    "roster",
    "events",
    "crew",
    "listener",
    "queue_state",
    "service",
    "hindrance",
    "hooks",
    "showcase",
    "bulletin",
    "settler",
    "daemon",
    "doctor",
    "cli",
    "__main__",
)
HOMES = {"tensorflow": ("transfer",), "keras": ("transfer",), "h5py": ("transfer",), "cv2": ("images", "sample", "cli")}


def modules() -> list[Path]:
    return sorted(ROOT.rglob("*.py"))


def room(path: Path) -> str:
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


def imported(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names if node.module == "nst_batch")


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_run_downward_only(path: Path) -> None:
    """A module imports its own room and the rooms below it, for types too."""
    here = room(path)
    for name in imported(path):
        if name.startswith("nst_batch."):
            there = name.split(".")[1]
            if there == "__version__":
                continue
            assert there == here or ORDER.index(there) < ORDER.index(here), f"{path.name} imports {name}"


@pytest.mark.parametrize("library", HOMES)
def test_heavy_libraries_stay_in_their_rooms(library: str) -> None:
    """TensorFlow below transfer/ alone, OpenCV where pictures are read and drawn."""
    for path in modules():
        if room(path) in HOMES[library]:
            continue
        assert library not in {name.split(".")[0] for name in imported(path)}, path


def test_one_function_prints() -> None:
    """It makes names of other people's files harmless; everything else returns values and raises errors."""
    for path in modules():
        calls = (node.func for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call))
        prints = [call for call in calls if isinstance(call, ast.Name) and call.id == "print"]
        assert not prints or path == ROOT / "cli" / "terminal.py", path


def test_modules_have_one_duty_and_fit_a_few_screens() -> None:
    """No module outgrows about 300 lines, no function a screen."""
    for path in modules():
        text = path.read_text()
        assert len(text.splitlines()) <= 360, path
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef):
                assert (node.end_lineno or 0) - node.lineno <= 60, f"{path}: {node.name}"


def test_the_readme_names_every_room_and_every_page() -> None:
    """A look at its map tells a stranger where everything is."""
    readme = (ROOT.parent / "README.md").read_text()
    tree = readme.split("## Where everything is")[1].split("## Developing")[0]
    named = set(re.findall(r"[\w.]+", tree))
    rooms = {path.name for path in ROOT.iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()}
    pages = {path.name for path in (ROOT.parent / "docs").glob("*.md")}
    assert rooms | pages <= named | {"__init__.py", "__main__.py"}
