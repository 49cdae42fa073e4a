"""``python -m nst_batch`` is ``nst-batch``."""

import sys

from nst_batch.cli import main

sys.exit(main())
