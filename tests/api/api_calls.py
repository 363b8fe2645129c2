"""What tests of the API say again and again."""

import json
import time
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any


def recommended(client: Any, user: str = "u1", **query: Any) -> dict[str, Any]:
    answer = client.get(f"/v1/users/{user}/recommendations", params=query)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def ids(answer: dict[str, Any]) -> list[str]:
    return [item["article_id"] for item in answer["items"]]


def now(ahead: float = 0.0) -> str:
    return datetime.fromtimestamp(time.time() + ahead, UTC).isoformat()


def event(kind: str = "click", user: str = "u1", article: str = "a1", **more: Any) -> dict[str, Any]:
    return {"event_id": uuid.uuid4().hex, "type": kind, "user_id": user, "article_id": article, "at": now()} | more


def seen(items: list[str], user: str = "u1", **more: Any) -> dict[str, Any]:
    return {"event_id": uuid.uuid4().hex, "type": "impression", "user_id": user, "at": now(), "items": items} | more


def send(client: Any, *events: Any) -> dict[str, Any]:
    body = json.dumps({"events": events})  # unlike the client's own encoder it can write half a surrogate
    answer = client.post("/v1/events", content=body, headers={"content-type": "application/json"})
    assert answer.status_code == 202, answer.text
    return dict(answer.json())


def assert_problem(answer: Any, status: int, *words: str) -> dict[str, Any]:
    """A problem with this status whose sentence holds these words, and no sign of a traceback."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    problem = dict(answer.json())
    assert problem["status"] == status
    assert problem["title"]
    for word in words:
        assert word in problem["detail"], problem["detail"]
    assert "Traceback" not in answer.text
    assert ".py" not in answer.text
    return problem


def until(condition: Callable[[], Any], seconds: float) -> float:
    """Wait until a condition holds and return how long that took; fail after so many seconds."""
    started = time.monotonic()
    while not condition():
        assert time.monotonic() - started < seconds, f"not within {seconds} s"
        time.sleep(0.05)
    return time.monotonic() - started
