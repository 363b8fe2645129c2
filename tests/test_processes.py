import os
import subprocess
import sys

from recsys.processes import is_alive


def test_a_process_is_alive_until_it_has_ended():
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        assert is_alive(process.pid)
        process.kill()
    assert not is_alive(process.pid)
    assert is_alive(os.getpid())


def test_another_user_s_process_is_alive_too(monkeypatch):
    def refused(_pid, _signal):
        raise PermissionError

    monkeypatch.setattr(os, "kill", refused)
    assert is_alive(1)
