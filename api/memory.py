"""Memory that loading needed and serving does not."""

import ctypes
import gc


def give_back_memory() -> None:
    """Have the C library return what it keeps for later: after a start that is 100 MB and more.

    Only glibc knows how; elsewhere nothing happens.
    """
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
