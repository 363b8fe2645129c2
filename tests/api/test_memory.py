"""What a server no longer needs is freed, though the collector leaves alone what was loaded at its start."""

import gc
import os
import platform
import subprocess
import sys
import weakref

import pytest
from api_calls import recommended, until


def test_a_version_that_is_no_longer_served_is_freed_without_the_collector(client, newspaper):
    live = client.app.state.running.live
    recommended(client, "u1")
    parts = [weakref.ref(live.model.views.learned), weakref.ref(live.model.views.towers.model)]
    gc.disable()
    try:
        client.post(f"/v1/models/{newspaper.candidate}/promote")
        until(lambda: not any(part() for part in parts), 30)
    finally:
        gc.enable()
    assert live.model.version == newspaper.candidate


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc has arenas")
@pytest.mark.parametrize(("before", "arenas"), [("share_arenas()", 2), ("pass", 7)])
def test_threads_share_their_memory(before, arenas):
    """Six threads that allocate at once, beside the first; by default glibc gives each an arena."""
    program = f"""
import ctypes, threading
from api.memory import share_arenas
{before}
together = threading.Barrier(6)
def allocate():
    ctypes.CDLL(None).malloc(5000)
    together.wait()
threads = [threading.Thread(target=allocate) for _ in range(6)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
ctypes.CDLL(None).malloc_stats()
"""
    own = {name: value for name, value in os.environ.items() if not name.startswith(("MALLOC_", "GLIBC_"))}
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, env=own)
    assert done.stderr.count("Arena ") == arenas
