"""Load on a server: wrk in a process of its own, and requests at a fixed rate, which wrk cannot make.

wrk waits for each answer before it asks again on that connection, so a slow server is asked less often and its slowest
moments count once. ``at_rate`` therefore fixes when each request is due, and counts the time from then on, not from
when it could be sent (no coordinated omission).
"""

import http.client
import json
import random
import re
import shutil
import subprocess
import threading
import time
from pathlib import Path
from typing import Any

from serving_inside import percentiles
from serving_names import user_id
from serving_server import HOST

from recsys.domain import RecsysError

Figures = dict[str, Any]
SCRIPT = Path(__file__).with_name("serving.lua")
ASKERS = 32  # threads that make requests at a fixed rate


def wrk_version() -> str:
    """What the load tool calls itself.

    Raises:
        RecsysError: when it is not installed.
    """
    if shutil.which("wrk") is None:
        raise RecsysError(
            "The load comes from wrk, which is not installed: apt-get install wrk, or see its GitHub page."
        )
    said = subprocess.run(["wrk", "--version"], capture_output=True, text=True, check=False).stdout
    found = re.match(r"wrk (\S+)", said)
    return found[0] if found else "wrk"


def run_wrk(port: int, users: int, connections: int, seconds: float) -> Figures:
    """Answers with 200 per second, milliseconds of all answers, and how many were none."""
    command = ["wrk", "-t1", f"-c{connections}", f"-d{max(1, round(seconds))}s", "--timeout", "10s", "-s", str(SCRIPT)]
    done = subprocess.run(
        [*command, f"http://{HOST}:{port}", "--", str(users)], capture_output=True, text=True, check=True
    )  # fmt: skip
    said = json.loads(done.stdout.strip().splitlines()[-1])
    times = {name: round(said[name], 2) for name in ("p50", "p95", "p99")}
    errors = said["busy"] + said["other"] + said["broken"]
    return {"requests / s": round(said["ok"] / said["seconds"], 1), **times, "errors": errors, "503": said["busy"],
            "ok": said["ok"], "other": said["other"]}  # fmt: skip


def at_rate(port: int, users: int, rate: float, seconds: float) -> Figures:
    """The same for requests that are due every ``1 / rate`` seconds, whatever became of those before."""
    due = _Schedule(rate, seconds)
    askers = [threading.Thread(target=due.ask, args=(port, users)) for _ in range(ASKERS)]
    for asker in askers:
        asker.start()
    for asker in askers:
        asker.join()
    good, errors = due.good or [float("nan")], len(due.took) - len(due.good)
    return {
        "requests / s": round(len(due.good) / seconds, 1), **percentiles(good), "errors": errors, "503": due.busy,
        "ok": len(due.good), "other": errors - due.busy,
    }  # fmt: skip


class _Schedule:
    """When requests are due, and how long after that they were answered (ms)."""

    def __init__(self, rate: float, seconds: float) -> None:
        self.began, self.times = time.perf_counter(), iter([n / rate for n in range(max(1, int(rate * seconds)))])
        self.lock, self.took, self.good, self.busy = threading.Lock(), [], [], 0

    def ask(self, port: int, users: int) -> None:
        """Take the next time, wait for it, ask, and again until there is none."""
        connection = http.client.HTTPConnection(HOST, port, timeout=10)
        while (due := self._next()) is not None:
            time.sleep(max(0.0, self.began + due - time.perf_counter()))
            status = _status(connection, f"/v1/users/{user_id(random.randint(1, users))}/recommendations")
            milliseconds = 1000 * (time.perf_counter() - self.began - due)
            with self.lock:
                self.took.append(milliseconds)
                self.busy += status == 503
                if status == 200:
                    self.good.append(milliseconds)
        connection.close()

    def _next(self) -> float | None:
        with self.lock:
            return next(self.times, None)


def _status(connection: http.client.HTTPConnection, path: str) -> int:
    """Status of the answer; 0 for none."""
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        answer.read()
    except (OSError, http.client.HTTPException):
        connection.close()
        return 0
    return answer.status
