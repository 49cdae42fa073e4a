"""The long proof: kills, power cuts, slow and hostile files, in numbers. ``python -m benchmarks.torture``."""

import sys
from pathlib import Path

# The short forms of all this are tests; what both share lies beside those.
TESTS = Path(__file__).parents[2] / "tests"
sys.path[:0] = [str(TESTS / "proof"), str(TESTS / "spool"), str(TESTS)]
