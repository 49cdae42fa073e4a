"""The house as a whole: imports run one way, heavy libraries stay in their rooms, one package prints."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

import nst_batch

ROOT = Path(nst_batch.__file__).parent

# Low to high: a module may import what stands before it, and within its own room. A room is a package or, at the top
# and in spool/, a module by itself.
ORDER = (
    "__init__",
    "characters",
    "filenames",
    "reasons",
    "errors",
    "beneath",
    "clock",
    "turn",
    "machine_memory",
    "child",
    "gpus",
    "footing",
    "names",
    "protocol",
    "mailbox",
    "strict_yaml",
    "sample",
    "transfer",
    "sidecar",
    "sizing",
    "capacity",
    "colors",
    "images",
    "config",
    "job",
    "spool/disk",
    "spool/claims",
    "spool/inbox",
    "spool/outbox",
    "spool",
    "report",
    "layers",
    "worker",
    "daemon",
    "doctor",
    "cli",
    "__main__",
)
# What a room may import, where that is less than all that stands before it.
ONLY = {
    "transfer": {
        "errors",
        "reasons",
        "sample",
    },  # a library of its own: no YAML, no settings, no paths but that of the weights
    "daemon": set(ORDER) - {"worker", "images", "sample"},
    "worker": set(ORDER) - {"daemon", "config", "spool/claims", "spool/inbox", "spool/outbox", "spool"},
    "spool": set(ORDER) - {"transfer", "sample"},
}
HOMES = {
    "tensorflow": ("transfer",),
    "keras": ("transfer",),
    "h5py": ("transfer",),
    "av": ("worker",),
    "cv2": ("images", "sample", "cli"),
    "yaml": ("strict_yaml", "spool/outbox", "cli"),
}
MOVES = {"os.rename", "os.renames", "os.replace", "os.link", "shutil.move"}


def modules() -> list[Path]:
    return sorted(ROOT.rglob("*.py"))


def room_of(parts: tuple[str, ...]) -> str:
    """The room of a module by its path or its dotted name, in parts below the package."""
    whole = "/".join(parts[:2])
    return whole if whole in ORDER else parts[0]


def room(path: Path) -> str:
    return room_of(path.relative_to(ROOT).with_suffix("").parts)


def imported(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def own_imports(path: Path) -> Iterator[tuple[str, str]]:
    """The room and the name of each import from the package itself."""
    for name in imported(path):
        if name.startswith("nst_batch.") and name != "nst_batch.__version__":
            yield room_of(tuple(name.split(".")[1:])), name


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_run_downward_only(path: Path) -> None:
    """A module imports its own room and the rooms below it, for types too."""
    here = room(path)
    assert here in ORDER, f"{here} has no place in the order of rooms"
    for there, name in own_imports(path):
        assert there == here or ORDER.index(there) < ORDER.index(here), f"{path.name} imports {name}"
        assert there == here or there in ONLY.get(here, ORDER), f"{path.name} imports {name}"


@pytest.mark.parametrize("library", HOMES)
def test_heavy_libraries_stay_in_their_rooms(library: str) -> None:
    """TensorFlow in transfer/ alone, OpenCV where pictures are read and drawn, YAML where text is read and written."""
    for path in modules():
        if room(path) in HOMES[library]:
            continue
        assert library not in {name.split(".")[0] for name in imported(path)}, path


def test_the_engine_is_a_library_of_its_own() -> None:
    """All of transfer/ can be imported without the sidecar's, the config's and the queue's code."""
    names = [
        ".".join(path.relative_to(ROOT.parent).with_suffix("").parts) for path in (ROOT / "transfer").rglob("*.py")
    ]
    program = (
        "import importlib, sys; from nst_batch.transfer.device import prepare_tensorflow; prepare_tensorflow(); "
        f"[importlib.import_module(name) for name in {sorted(names)}]; "
        "print(sorted({name.split('.')[1] for name in sys.modules if name.startswith('nst_batch.')}))"
    )
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", program], capture_output=True, text=True, check=True)
    assert set(ast.literal_eval(done.stdout.splitlines()[-1])) <= {
        "characters",
        "errors",
        "reasons",
        "sample",
        "transfer",
    }


def test_one_function_prints() -> None:
    """It makes names of other people's files harmless; everything else returns values and raises errors."""
    for path in modules():
        calls = (node.func for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call))
        prints = [call for call in calls if isinstance(call, ast.Name) and call.id == "print"]
        assert not prints or path == ROOT / "cli" / "terminal.py", path


def test_files_move_in_the_spool_alone() -> None:
    """Everybody else renames and links through :class:`nst_batch.spool.disk.fs.FileSystem`."""
    for path in modules():
        if room(path).startswith("spool/disk"):
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
                assert f"{node.value.id}.{node.attr}" not in MOVES, f"{path}:{node.lineno}"


def literals(path: Path) -> Iterator[tuple[int, str]]:
    """The texts in a module that are no docstrings, parts of f-strings too."""
    tree = ast.parse(path.read_text())
    docs = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docs:
            yield node.lineno, node.value


def joined(path: Path) -> Iterator[tuple[int, str]]:
    """The texts that a module puts behind a path with ``/``."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div) and isinstance(node.right, ast.Constant):
            yield node.lineno, str(node.right.value)


def test_a_file_that_several_go_by_has_one_name() -> None:
    """It stands in filenames.py, or with the spool's own in layout.py, and nowhere else is it spelt out."""
    homes = (ROOT / "filenames.py", ROOT / "spool" / "disk" / "layout.py")
    names = {text for home in homes for _line, text in literals(home)}
    files = {name for name in names if re.fullmatch(r"[\w.-]+\.[a-z]+|\.[\w-]+", name)}
    for path in modules():
        if path in homes:
            continue
        for line, text in literals(path):
            assert text.rpartition("/")[2] not in files, f"{path}:{line}: {text}"
        for line, text in joined(path):
            assert text not in names, f"{path}:{line}: {text}"


def named_in(path: Path) -> set[str]:
    """The names that a module has: what it defines, imports and assigns outside of its functions."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            found.add(node.name)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            found.update(alias.asname or alias.name for alias in node.names)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            found.add(node.id)
    return found


def test_benchmarks_import_what_is_there() -> None:
    """They are run by hand and seldom, and a name that has gone would be found on the day it is needed."""
    top = ROOT.parent
    for path in (top / "benchmarks").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.ImportFrom) or not (node.module or "").startswith(("nst_batch", "benchmarks")):
                continue
            there = top / (node.module or "").replace(".", "/")
            module = there / "__init__.py" if there.is_dir() else there.with_suffix(".py")
            for alias in node.names:
                beside = there.is_dir() and ((there / alias.name).is_dir() or (there / f"{alias.name}.py").exists())
                assert beside or alias.name in named_in(module), f"{path.name}: {node.module}.{alias.name}"


def test_modules_have_one_duty_and_fit_a_few_screens() -> None:
    """No module outgrows about 300 lines, no function a screen."""
    for path in modules():
        text = path.read_text()
        assert len(text.splitlines()) <= 360, path
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef):
                assert (node.end_lineno or 0) - node.lineno <= 60, f"{path}: {node.name}"


def test_tests_stand_where_their_modules_do() -> None:
    """Each in the folder of what it tests; what concerns several rooms stands at the top, in proof/ or system/."""
    here = ROOT.parent / "tests"
    for path in here.rglob("test_*.py"):
        folder = path.relative_to(here).parent
        if folder.parts and folder.parts[0] not in ("proof", "system"):
            rooms = (ROOT / folder, ROOT.parent / "benchmarks" / folder)
            assert any((room / "__init__.py").exists() for room in rooms), path


def test_test_files_have_names_of_their_own() -> None:
    """Two of one name in two folders are one module for pytest, and the second is not collected."""
    names = Counter(path.name for path in (ROOT.parent / "tests").rglob("test_*.py"))
    assert [name for name, count in names.items() if count > 1] == []


def test_the_readme_names_every_room_and_every_page() -> None:
    """A look at its map tells a stranger where everything is."""
    readme = (ROOT.parent / "README.md").read_text()
    tree = readme.split("## Where everything is")[1].split("## Developing")[0]
    named = set(re.findall(r"[\w.]+", tree))
    rooms = {path.name for path in ROOT.iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()}
    rooms |= {path.name for path in (ROOT / "spool").iterdir() if (path / "__init__.py").exists()}
    pages = {path.name for path in (ROOT.parent / "docs").glob("*.md")}
    assert rooms | pages <= named | {"__init__.py", "__main__.py"}


def privates(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Where a test reaches for a private name of something that is not its own."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and re.match("_[a-zA-Z]", node.attr):
            owner = ast.unparse(node.value)
            if owner not in ("self", "cls", "super()", "os") and node.attr not in ("_replace", "_asdict", "_fields"):
                yield node.lineno, ast.unparse(node)
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("nst_batch"):
            yield from ((node.lineno, alias.name) for alias in node.names if alias.name.startswith("_"))
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith(("setattr", "delattr", "getattr")):
            texts = [arg.value for arg in node.args if isinstance(arg, ast.Constant) and isinstance(arg.value, str)]
            yield from ((node.lineno, text) for text in texts if re.search(r"(^|\.)_[a-zA-Z]", text))


def asserts(function: ast.AST, helpers: set[str]) -> bool:
    """Whether a function can fail by what it says itself, or by one of the module's ``helpers`` that can."""
    for node in ast.walk(function):
        if isinstance(node, ast.Assert):
            return True
        if isinstance(node, ast.Call):
            name = ast.unparse(node.func).rpartition(".")[2]
            if name.startswith("assert_") or name in {"raises", "warns", "fail", *helpers}:
                return True
    return False


@pytest.mark.parametrize("path", sorted((ROOT.parent / "tests").rglob("*.py")), ids=lambda path: path.stem)
def test_tests_keep_to_what_is_public_and_can_fail(path: Path) -> None:
    """None reaches into privates, so that the inside can change; none is without an assertion."""
    tree = ast.parse(path.read_text())
    assert list(privates(tree)) == []
    functions = {node.name: node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
    helpers: set[str] = set()
    for _ in range(4):  # a helper may call another
        helpers |= {name for name, node in functions.items() if asserts(node, helpers)}
    assert [name for name in functions if name.startswith("test_") and name not in helpers] == []


def test_the_ways_to_add_something_name_files_that_are_there() -> None:
    """Each path and each link in CONTRIBUTING.md, and each file that is called by its bare name."""
    top = ROOT.parent
    page = (top / "CONTRIBUTING.md").read_text()
    named = set(re.findall(r"`((?:[\w.-]+/)+[\w.-]*|[\w-]+\.(?:py|md|yaml|toml))`", page))
    named |= set(re.findall(r"\]\(([^)#:]+)", page))
    bare = {path.name for folder in ("nst_batch", "tests", "benchmarks", "docs") for path in (top / folder).rglob("*")}
    for name in named:
        assert (top / name).exists() or (ROOT / name).exists() or name in bare, name


def test_documents_name_files_that_are_there() -> None:
    """A path below nst_batch/ or tests/ in a document is one that stands, and so is each in the glossary."""
    top = ROOT.parent
    for page in (*(top / "docs").glob("*.md"), *top.glob("*.md")):
        for name in re.findall(r"`((?:nst_batch|tests|benchmarks)/[\w/]+\.py)`", page.read_text()):
            assert (top / name).exists(), f"{page.name}: {name}"
    for page in ("glossary.md", "architecture.md"):
        for name in re.findall(r"`([\w/]+\.py)`", (top / "docs" / page).read_text()):
            assert (ROOT / name).exists(), f"{page}: {name}"
