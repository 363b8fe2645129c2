"""A child gets its settings by standard input, ends in order or by force, and hears of the end of its parent."""

import signal
import sys
import time

import pytest

from recsys.lifecycle import child

BEGINS = """
import sys, threading
from recsys.lifecycle import child
ended = threading.Event()
settings = child.begin(at_end_of_input=ended.set)
(settings.home / "begun").write_text(str(settings.served_days))
ended.wait()
(settings.home / "ended").touch()
"""
DEAF = """
import signal, sys, time
from recsys.lifecycle import child
signal.signal(signal.SIGTERM, signal.SIG_IGN)
settings = child.begin(at_end_of_input=lambda: None)
(settings.home / "begun").touch()
time.sleep(600)
"""


@pytest.fixture
def started(settings, tmp_path, monkeypatch):
    """Starts these lines as a child, and waits until it has begun."""
    settings.home.mkdir(parents=True, exist_ok=True)
    monkeypatch.setenv("PYTHONPATH", ":".join([str(tmp_path), *sys.path]))

    def start(lines):
        (tmp_path / "made_child.py").write_text(lines)
        process = child.start("made_child", settings.model_copy(update={"served_days": 3.5}))
        _until((settings.home / "begun").exists)
        return process

    return start


def test_settings_arrive_and_the_end_of_the_input_is_told(started, settings):
    process = started(BEGINS)
    assert (settings.home / "begun").read_text() == "3.5"
    process.stdin.close()  # as where the parent was killed
    assert process.wait(30) == 0
    assert (settings.home / "ended").exists()


def test_one_that_hears_no_signal_is_ended_by_force(started):
    process = started(DEAF)
    child.stop(process, patience=0.2)
    assert process.returncode == -signal.SIGKILL


def test_one_that_hears_it_is_not(started):
    process = started(BEGINS)
    process.send_signal(signal.SIGINT)  # of the terminal: its parent's affair
    time.sleep(0.2)
    assert process.poll() is None
    child.stop(process, patience=30)
    assert process.returncode == -signal.SIGTERM


def _until(condition, seconds=60.0):
    started = time.monotonic()
    while not condition():
        assert time.monotonic() - started < seconds
        time.sleep(0.02)
