"""The processes of this machine."""

import os


def is_alive(pid: int) -> bool:
    """Whether a process of this number runs; another user's counts as well."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
