"""Logs what was answered, so that it can become an impression once it is known to have been seen.

A reader does not wait for the log: answers are written by a thread of their own, many in one transaction, within a
tenth of a second; where somebody asks for them, at once.
"""

import logging
import math
import re
import secrets
import threading
import time
from collections.abc import Collection
from dataclasses import replace
from itertools import islice

from recsys.database import served
from recsys.database.bulk import one_at_a_time
from recsys.database.served import ServedList
from recsys.database.session import Sessions, writing
from recsys.domain import NotReadyError
from recsys.serving.breaker import UNANSWERED
from recsys.serving.metrics import UNLOGGED

log = logging.getLogger(__name__)

MOST_WAITING = 20_000  # answers; about as many as a process gives in a minute
MOST_AT_ONCE = 500  # in one transaction, so that other writers do not wait for long
GATHER = 0.1  # seconds in which answers are gathered for one transaction, unless somebody waits for them
PAUSE = 1.0  # seconds between two tries while the database takes nothing
PATIENCE = 5.0  # seconds that a flush waits
OWN = re.compile("[0-9a-f]{32}")
ELSEWHERE, LOOK = 0.3, 0.02  # seconds in which other processes have logged an answer, and between two looks for it


class ServedLog:
    """What a process has answered. Without ``start`` each answer is written before the next one."""

    def __init__(self, sessions: Sessions, *, served_is_seen: bool):
        """``served_is_seen``: whether an answer counts as an impression without anybody's confirmation."""
        self.sessions, self.served_is_seen = sessions, served_is_seen
        self._waiting: dict[str, ServedList] = {}  # by impression id, until they are written
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._is_broken = self._is_stopping = False
        self._noted = self._done = self._wanted = 0  # answers, since the start

    def start(self) -> None:
        """Write in a thread from now on."""
        self._thread = threading.Thread(target=self._run, name="recsys-served", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Write what waits, and end the thread."""
        with self._changed:
            self._is_stopping = True
            self._changed.notify_all()
        if self._thread is not None:
            self._thread.join()

    def note(self, answer: ServedList) -> str | None:
        """Take an answer, and return the id under which it will be known; None while the database takes nothing."""
        answer = replace(answer, impression_id=_new_id())
        if self._thread is None:
            return answer.impression_id if self._written([answer]) else None
        with self._changed:
            if self._is_broken or len(self._waiting) >= MOST_WAITING:
                return None
            self._waiting[answer.impression_id] = answer
            self._noted += 1
            if len(self._waiting) == 1:  # the writer is not woken for each that joins those it gathers
                self._changed.notify_all()
        return answer.impression_id

    def flush(self) -> None:
        """Wait until everything noted so far is written, unless the database takes nothing."""
        with self._changed:
            self._wanted = noted = self._noted
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._is_broken or self._done >= noted, PATIENCE)

    def catch_up(self, named: Collection[str]) -> None:
        """Wait for lists of these ids that were answered a moment ago, by this process or another one, to be logged."""
        with self._changed:
            is_waiting = any(name in self._waiting for name in named)
        if is_waiting:
            self.flush()
        while young := {name for name in named if _age(name) < ELSEWHERE}:
            with self.sessions() as session:
                if len(served.find_served(session, young)) == len(young):
                    return
            time.sleep(LOOK)

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._is_stopping)
                if not self._waiting:
                    return
                self._changed.wait_for(lambda: self._is_stopping or self._wanted > self._done, GATHER)
            if not self._write_some() and self._is_stopping:
                log.error("%d answers could not be logged", len(self._waiting))
                return

    def _write_some(self) -> bool:
        with self._changed:
            some = list(islice(self._waiting.values(), MOST_AT_ONCE))
        left = self._unwritten(some)
        with self._changed:
            self._is_broken = bool(left)
            for done in some[: len(some) - len(left)]:
                del self._waiting[done.impression_id]
            self._done += len(some) - len(left)
            self._changed.notify_all()
            if left:
                self._changed.wait_for(lambda: self._is_stopping, PAUSE)
        return not left

    def _unwritten(self, some: list[ServedList]) -> list[ServedList]:
        """Write, and return what the database does not take now; what it never will is given up, lest others wait."""
        try:
            return [] if self._written(some) else some
        except Exception:
            if len(some) > 1:
                return next((some[place:] for place, one in enumerate(some) if self._unwritten([one])), [])
            log.exception("an answer cannot be logged, and is given up")
            UNLOGGED.inc()
            return []

    def _written(self, some: list[ServedList]) -> bool:
        try:
            with writing(self.sessions) as session:
                one_at_a_time(session, "events")  # as whoever writes to the log: commits in the order of times
                served.log_served(session, some)
                served.confirm_clicked(session, [answer.impression_id for answer in some], time.time())
                for answer in some if self.served_is_seen else ():
                    if answer.answer:
                        served.confirm_served(session, answer.impression_id, time.time())
        except (NotReadyError, *UNANSWERED) as error:
            log.warning("%d answers could not be logged yet: %s", len(some), error)
            return False
        return True


def _new_id() -> str:
    """Beginning with the time, so that what was served together lies together in every index; the rest is random."""
    return f"{time.time_ns() // 1_000_000:012x}{secrets.token_hex(10)}"


def _age(impression_id: str) -> float:
    """Seconds since an answer got this id; infinite for what is none of this program's, or of the future."""
    if OWN.fullmatch(impression_id) is None:
        return math.inf
    age = time.time() - int(impression_id[:12], 16) / 1000
    return age if age > -ELSEWHERE else math.inf
