"""A process of a server with several ends when the one that started it is killed."""

import subprocess
import sys

import psutil
import pytest

PARENT = """
import multiprocessing, time
from api.orphans import end_with_parent

def serve(pipe):
    end_with_parent()
    pipe.send("ready")
    time.sleep(600)

if __name__ == "__main__":
    spawn = multiprocessing.get_context("spawn")
    here, there = spawn.Pipe()
    child = spawn.Process(target=serve, args=[there])
    child.start()
    here.recv()
    print(child.pid, flush=True)
    child.join()
"""


@pytest.mark.parametrize("signal", ["kill", "terminate"])
def test_a_child_ends_with_its_parent(tmp_path, signal):
    (tmp_path / "parent.py").write_text(PARENT)
    with subprocess.Popen([sys.executable, tmp_path / "parent.py"], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        child = psutil.Process(int(parent.stdout.readline()))
        getattr(parent, signal)()
        gone, _ = psutil.wait_procs([child], timeout=30)
        assert gone == [child]


def test_one_that_nobody_started_so_has_nothing_to_watch():
    done = subprocess.run(
        [sys.executable, "-c", "import threading; from api.orphans import end_with_parent; end_with_parent();"
         "print(threading.active_count())"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout == "1\n"
