"""Whether everything is here that a night's work needs, and what to do about what is not.

Checks are values; printing them is the command's. TensorFlow and OpenCV are tried in child processes, so that
the answer is that of a fresh worker and this process stays small.
"""

from nst_batch.doctor.check import Check
from nst_batch.doctor.examine import examine
from nst_batch.doctor.service import examine_service

__all__ = ["Check", "examine", "examine_service"]
