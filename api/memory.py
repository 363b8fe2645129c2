"""Memory after a start: what loading needed and serving does not, and what stays as long as the process."""

import ctypes
import gc


def give_back_memory() -> None:
    """Have the C library return what it keeps for later: after a start that is 100 MB and more.

    Only glibc knows how; elsewhere nothing happens. What is left is no garbage, and the collector need not look at it
    again: looking at everything that was loaded stops all threads for a fifth of a second.
    """
    gc.collect()
    gc.freeze()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
