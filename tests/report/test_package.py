"""The built wheel has all that the pages are made of."""

from __future__ import annotations

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import nst_batch

ROOT = Path(nst_batch.__file__).parents[1]


def test_templates_and_assets_are_in_the_wheel(tmp_path: Path) -> None:
    """A page that a checkout can make, an installed program can make too."""
    tree = tmp_path / "tree"
    tree.mkdir()
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, tree)
    shutil.copytree(ROOT / "nst_batch", tree / "nst_batch", ignore=shutil.ignore_patterns("__pycache__"))
    program = "import sys; from setuptools.build_meta import build_wheel; print(build_wheel(sys.argv[1]))"
    subprocess.run([sys.executable, "-c", program, str(tmp_path)], cwd=tree, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as built:
        there = set(built.namelist())
    report = ROOT / "nst_batch" / "report"
    wanted = {
        path.relative_to(ROOT).as_posix() for name in ("templates", "assets") for path in (report / name).iterdir()
    }
    assert len(wanted) > 15
    assert wanted <= there
