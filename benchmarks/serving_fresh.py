"""How soon every process knows: a click, an article that was posted with a picture, and one that was deleted.

What is written goes to one process and is asked of another: a connection stays with the process that accepted it, and
the addresses of its ends tell which one that is.
"""

import base64
import http.client
import io
import json
import random
import time
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import numpy as np
from PIL import Image
from serving_events import JSON
from serving_names import user_id
from serving_server import HOST, Server

from recsys.domain import RecsysError

Figures = dict[str, Any]
PATIENCE = 30.0  # seconds after which what does not show counts as lost
TRIES_TO_CONNECT = 200
IDLE = 2.0  # seconds after which a server might close a connection that is not used


class Client:
    """Asks one process of a server; a connection that was idle for long is made anew, with the same process."""

    def __init__(self, server: Server, process: int | None = None) -> None:
        self.server, self.process = server, process
        self._connect()

    def _connect(self) -> None:
        """Connect until it is with the process that is wanted, or with any.

        Raises:
            RecsysError: when that does not come to pass.
        """
        for _ in range(TRIES_TO_CONNECT):
            self.connection = http.client.HTTPConnection(HOST, self.server.port, timeout=30)
            self.connection.request("GET", "/healthz")
            self.connection.getresponse().read()
            self.used = time.monotonic()
            if self.process in (None, _process_of(self.server, self.connection)):
                return
        raise RecsysError(f"Process {self.process} of the server accepts no connection.")

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        """What was answered, as JSON; None for nothing.

        Raises:
            RecsysError: when that was an error.
        """
        if time.monotonic() - self.used > IDLE:
            self._connect()
        self.connection.request(method, path, None if body is None else json.dumps(body), JSON)
        answer = self.connection.getresponse()
        said, self.used = answer.read(), time.monotonic()
        if answer.status >= 400:
            raise RecsysError(f"{method} {path} was answered with {answer.status}: {said.decode()[:300]}")
        return json.loads(said) if said else None

    def recommended(self, user: str, query: str = "") -> list[str]:
        """Ids of what is recommended to a user."""
        answer = self.ask("GET", f"/v1/users/{user}/recommendations?log=false{query}")
        return [item["article_id"] for item in answer["items"]]


def rows(server: Server, users: int, tries: int) -> list[Figures]:
    """Seconds until another process shows it, if there is another."""
    writer, reader = two_processes(server)
    where = "another process" if writer is not reader else "the same process"
    published, posted = [], []
    for _ in range(max(1, tries // 2)):
        article, seconds = _article(writer, reader)
        posted.append(seconds)
        published.append(article)
    clicks = [_click(writer, reader, user_id(random.randint(1, users))) for _ in range(tries)]
    deleted = [_deletion(writer, reader, *article) for article in published]
    return [
        row(f"a click, until it is in the answer of {where}", clicks),
        row(f"an article with title and picture, until {where} recommends it and knows both", posted),
        row(f"a deleted article, until it is gone from the answer of {where}", deleted),
    ]


def row(name: str, seconds: list[float]) -> Figures:
    """Of what took so many seconds."""
    median, late = np.percentile(seconds, (50, 95), method="nearest").round(4).tolist()  # some may be infinite
    return {"name": name, "tries": len(seconds), "p50 s": median, "p95 s": late, "max s": round(max(seconds), 4)}


def _click(writer: Client, reader: Client, user: str) -> float:
    """An article that was clicked is read, and so not recommended any more."""
    article = reader.recommended(user)[0]
    event = {"event_id": uuid.uuid4().hex, "type": "click", "user_id": user, "article_id": article}
    began = time.perf_counter()
    writer.ask("POST", "/v1/events", {"events": [event | {"at": datetime.now(UTC).isoformat()}]})
    return until(began, lambda: article not in reader.recommended(user))


def _article(writer: Client, reader: Client) -> tuple[tuple[str, str], float]:
    """It is the only one of its section; that its title and picture are known shows in what it is similar to."""
    name = uuid.uuid4().hex
    body = {"title": f"{_words()} are in the news", "section": name, "image": _picture()}
    began = time.perf_counter()
    writer.ask("PUT", f"/v1/articles/{name}", body)

    def known() -> bool:
        if reader.recommended(user_id(1), f"&section={name}") != [name]:
            return False
        return all(reader.ask("GET", f"/v1/articles/{name}/similar?by={by}")["items"] for by in ("title", "image"))

    return (name, name), until(began, known)


def _deletion(writer: Client, reader: Client, article: str, section: str) -> float:
    began = time.perf_counter()
    writer.ask("DELETE", f"/v1/articles/{article}")
    return until(began, lambda: article not in reader.recommended(user_id(1), f"&section={section}"))


def until(began: float, is_so: Callable[[], bool]) -> float:
    """Seconds until the end of the first answer in which it is so; infinite where that takes too long."""
    while not is_so():
        if time.perf_counter() - began > PATIENCE:
            return float("inf")
        time.sleep(0.01)
    return time.perf_counter() - began


def two_processes(server: Server) -> tuple[Client, Client]:
    """A client of each of two processes; twice the same one where only one process answers."""
    first, *others = [Client(server, process.pid) for process in server.api()[:2]]
    return first, (others or [first])[0]


def _process_of(server: Server, connection: http.client.HTTPConnection) -> int | None:
    """Which process has accepted a connection."""
    port = connection.sock.getsockname()[1]
    for process in server.api():
        if any(c.raddr and c.raddr.port == port for c in process.net_connections(kind="tcp")):
            return process.pid
    return None


def _words() -> str:
    return " ".join(random.choices(["otters", "mayors", "bridges", "singers", "storms", "bakers", "comets"], k=3))


def _picture() -> str:
    file = io.BytesIO()
    Image.new("RGB", (64, 48), tuple(random.choices(range(256), k=3))).save(file, "PNG")
    return f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}"
