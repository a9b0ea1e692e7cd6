"""What a process does with memory that it has used and freed."""

import ctypes
import sys

MMAP_THRESHOLD, TRIM_THRESHOLD = -3, -1  # of mallopt(3): M_MMAP_THRESHOLD, M_TRIM_THRESHOLD
KEPT = 2**31 - 1  # bytes; no larger number fits


def keep_freed_memory() -> bool:
    """Let this process keep up to 2 GB of what it frees for what it allocates next; return whether the system can.

    By itself glibc hands large arrays back as soon as they are freed, and Linux has to clear every page of the next
    one. A training step allocates the same arrays again and again: it may spend a third of its time on that.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    return mallopt is not None and all(mallopt(each, KEPT) == 1 for each in (MMAP_THRESHOLD, TRIM_THRESHOLD))
