"""What is too large, too long, too deep or too slow is refused with a sentence, and the service goes on."""

import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import httpx
import pytest
import uvicorn
from api_calls import assert_problem, event, now
from fastapi.testclient import TestClient

from api import limits, patience
from api.app import create_app
from api.patience import PatientProtocol
from recsys.database.session import open_sessions, upgrade, writing
from recsys.settings import Settings

JSON = {"Content-Type": "application/json"}
LONG = 60.0  # seconds after which a test gives up


@pytest.fixture
def served(settings: Settings) -> Iterator[tuple[str, int]]:
    """Host and port of the API on an empty database, served as `recsys serve` does."""
    upgrade(settings)
    listening = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(create_app(settings), log_level="warning", http=PatientProtocol))
    thread = threading.Thread(target=server.run, args=[[listening]])
    thread.start()
    yield listening.getsockname()[:2]
    server.should_exit = True
    thread.join()
    listening.close()


def post(client: TestClient, path: str, content: Any) -> httpx.Response:
    answer: httpx.Response = client.post(path, content=content, headers=JSON)
    return answer


def test_a_body_that_is_too_large_is_refused_whether_it_says_so_or_not(bare: TestClient) -> None:
    body = b" " * (limits.MOST_BODY + 1)
    assert_problem(post(bare, "/v1/events", body), 413, f"{limits.MOST_BODY:,}")
    assert_problem(post(bare, "/v1/events", iter([body[: 2**20]] * 5)), 413)
    fits = json.dumps({"events": [event()]}).encode().rjust(limits.MOST_BODY)
    assert post(bare, "/v1/events", fits).json()["accepted"] == 1
    assert post(bare, "/v1/events", iter([fits[:-7], fits[-7:]])).json()["duplicates"] == 1


def test_articles_may_bring_their_pictures(bare: TestClient) -> None:
    assert_problem(post(bare, "/v1/articles", b" " * (limits.MOST_WITH_PICTURES + 1)), 413)
    assert_problem(post(bare, "/v1/articles", b" " * limits.MOST_WITH_PICTURES), 422)


def test_limits_hold_below_the_path_of_a_proxy(bare: TestClient) -> None:
    below = TestClient(bare.app, root_path="/news", raise_server_exceptions=False)
    assert_problem(post(below, "/news/v1/events", b" " * (limits.MOST_BODY + 1)), 413)
    assert_problem(post(below, "/news/v1/articles", b" " * (limits.MOST_BODY + 1)), 422)
    assert_problem(post(below, "/news/v1/articles", b" " * (limits.MOST_WITH_PICTURES + 1)), 413)
    assert_problem(below.get(f"/news/v1/models?x={'x' * limits.MOST_ADDRESS}"), 414)


def test_a_get_with_a_body_has_limits_too(bare: TestClient) -> None:
    assert_problem(bare.request("GET", "/v1/models", content=b" " * (limits.MOST_BODY + 1)), 413)


def test_an_address_that_is_too_long_is_refused(bare: TestClient) -> None:
    excluded = ",".join(f"a{n}" for n in range(5000))
    assert_problem(bare.get("/v1/users/u1/recommendations", params={"exclude": excluded}), 414, "query")
    assert_problem(bare.get("/v1/articles/" + "x" * limits.MOST_ADDRESS), 414)
    assert_problem(bare.get("/v1/articles/" + "x" * 129), 422)


def test_so_many_exclusions_are_refused(bare: TestClient) -> None:
    for excluded in (",".join("a" * 1001), list("a" * 1001)):
        assert_problem(bare.get("/v1/users/u1/recommendations", params={"exclude": excluded}), 422, "exclude")


@pytest.mark.parametrize("shape", ["[%s]", '{"a":%s}', '{"events":[%s]}', '{"title":%s}', '[{"article_id":%s}]'])
@pytest.mark.parametrize("depth", [500, 990, 100_000])
def test_json_that_is_nested_too_deeply_is_refused(bare: TestClient, shape: str, depth: int) -> None:
    left, right = shape.split("%s")
    body = left * depth + "1" + right * depth
    for method, path in (("POST", "/v1/events"), ("POST", "/v1/articles"), ("PUT", "/v1/articles/a")):
        assert_problem(bare.request(method, path, content=body, headers=JSON), 422)


@pytest.mark.parametrize("value", ["1" * 5000, "NaN", "Infinity", "-1e999", '"\\ud800"', "1e400"])
def test_numbers_and_characters_that_cannot_be_are_refused(bare: TestClient, value: str) -> None:
    assert_problem(bare.put("/v1/articles/a", content=f'{{"length": {value}}}', headers=JSON), 422)
    assert_problem(bare.put("/v1/articles/a", content=f'{{"title": {value}}}', headers=JSON), 422)
    click = json.dumps(event(at=now()))[:-1] + f', "dwell_seconds": {value}}}'
    answer = bare.post("/v1/events", content=f'{{"events": [{click}]}}', headers=JSON)
    assert answer.status_code == 422 or answer.json()["accepted"] == 0, answer.text


def test_no_article_sent_over_http_names_a_file_of_the_server(bare: TestClient, settings: Settings) -> None:
    secret = settings.home / "recsys.db"
    for image in (
        str(secret),
        f"file://{secret}",
        "/etc/passwd",
        "../../etc/passwd",
        "media/../recsys.db",
        "C:\\x",
        "//host/x",
    ):
        assert_problem(bare.put("/v1/articles/a", json={"image": image}), 422, "image")
        assert_problem(bare.post("/v1/articles", json=[{"article_id": "a", "image": image}]), 422, "image")
    assert_problem(bare.get("/v1/articles/a/image"), 404)


def test_ten_megabytes_over_the_wire_are_refused(served: tuple[str, int]) -> None:
    with httpx.Client(base_url=f"http://{served[0]}:{served[1]}", timeout=LONG) as client:
        for body in (b" " * 10_000_000, iter([b" " * 1_000_000] * 10)):
            assert_problem(client.post("/v1/events", content=body, headers=JSON), 413)
        assert client.get("/healthz").status_code == 200  # on the same connection


@pytest.mark.parametrize("sent", [b"POST /v1/ev", b"POST /v1/events HTTP/1.1\r\nHost: localhost\r\n", b"GET "])
def test_a_head_that_comes_drop_by_drop_ends_the_connection(
    served: tuple[str, int], monkeypatch: pytest.MonkeyPatch, sent: bytes
) -> None:
    monkeypatch.setattr(limits, "SECONDS", 0.3)
    monkeypatch.setattr(patience, "GRACE", 0.3)
    assert _drip(served, sent) == b""


HEALTH = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n"


def read_until_closed(connection: socket.socket) -> bytes:
    said = b""
    with suppress(ConnectionError):
        while part := connection.recv(65536):
            said += part
    return said


@pytest.mark.parametrize("line", [b"y", b"X-Short: y\r\n"])
def test_a_head_without_end_is_cut_off(served: tuple[str, int], monkeypatch: pytest.MonkeyPatch, line: bytes) -> None:
    begun, begin = threading.Event(), PatientProtocol.on_message_begin

    def noted(protocol: PatientProtocol) -> None:
        begin(protocol)
        begun.set()

    monkeypatch.setattr(PatientProtocol, "on_message_begin", noted)
    with socket.create_connection(served, timeout=LONG) as connection:
        connection.sendall(HEALTH + line)
        assert begun.wait(LONG)
        connection.sendall(line * (patience.MOST_HEAD // len(line) + 1))
        said = read_until_closed(connection)
    assert said.startswith(b"HTTP/1.1 400")
    assert b"application/problem+json" in said
    assert b"at most 65536 bytes" in said


def test_long_heads_that_end_are_taken(served: tuple[str, int]) -> None:
    with httpx.Client(base_url=f"http://{served[0]}:{served[1]}", timeout=LONG) as client:
        fits = {"X-Long": "y" * (patience.MOST_HEAD // 2)}
        assert [client.get("/healthz", headers=fits).status_code for _ in range(3)] == [200] * 3  # on one connection


def test_requests_that_come_together_are_answered_one_after_the_other(served: tuple[str, int]) -> None:
    with socket.create_connection(served, timeout=LONG) as connection:
        connection.sendall(
            (HEALTH + b"X-Long: " + b"y" * 1000 + b"\r\n\r\n") * 90 + HEALTH
        )  # more than one head may have
        connection.sendall(b"Connection: close\r\n\r\n")
        assert read_until_closed(connection).count(b"HTTP/1.1 200") == 91


def test_what_stands_behind_a_body_is_no_header(served: tuple[str, int]) -> None:
    with socket.create_connection(served, timeout=LONG) as connection:
        head = b"POST /v1/events HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nConnection: close\r\n"
        body = b'{"events": []}'
        chunked = b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n" % (len(body), body)
        connection.sendall(head + chunked + b"X-Request-ID: from-behind\r\n\r\n")
        said = read_until_closed(connection)
    assert said.startswith(b"HTTP/1.1 ")
    assert b"from-behind" not in said


@pytest.mark.parametrize("sent", [b"", b"\r\n"])
def test_an_idle_connection_ends(served: tuple[str, int], monkeypatch: pytest.MonkeyPatch, sent: bytes) -> None:
    monkeypatch.setattr(limits, "SECONDS", 0.3)
    monkeypatch.setattr(patience, "GRACE", 0.3)
    with socket.create_connection(served, timeout=LONG) as connection:
        connection.sendall(HEALTH + b"\r\n")
        assert connection.recv(65536).startswith(b"HTTP/1.1 200")
        connection.sendall(sent)
        read_until_closed(connection)  # or the test gives up


def test_a_client_that_takes_no_answers_is_left(served: tuple[str, int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "SECONDS", 0.3)
    monkeypatch.setattr(patience, "GRACE", 0.3)
    left = threading.Event()
    lost = PatientProtocol.connection_lost

    def noted(protocol: PatientProtocol, error: Exception | None) -> None:
        lost(protocol, error)
        left.set()

    monkeypatch.setattr(PatientProtocol, "connection_lost", noted)
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.connect(served)
        connection.sendall(b"GET /openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n" * 90)
        assert left.wait(LONG)


def test_a_body_that_comes_drop_by_drop_is_refused(served: tuple[str, int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "SECONDS", 0.3)
    monkeypatch.setattr(patience, "GRACE", 0.3)
    head = b"POST /v1/events HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    for how in (b"Content-Length: 1000\r\n\r\n", b"Transfer-Encoding: chunked\r\n\r\n3e8\r\n"):
        answer = _drip(served, head + how)
        assert answer.startswith(b"HTTP/1.1 408")
        assert b"application/problem+json" in answer


def _drip(served: tuple[str, int], sent: bytes) -> bytes:
    """Send a beginning and then one byte after the other, until the server hangs up; what it said until then."""
    started, said = time.monotonic(), b""
    with socket.create_connection(served, timeout=0.05) as connection:
        connection.sendall(sent)
        while time.monotonic() - started < LONG:
            try:
                connection.sendall(b"x")
                part = connection.recv(65536)
                if not part:
                    return said
                said += part
            except TimeoutError:
                continue
            except ConnectionError:
                return said
    raise AssertionError("the server waits for ever")


def test_slow_clients_do_not_keep_others_waiting(served: tuple[str, int]) -> None:
    slow = [socket.create_connection(served) for _ in range(100)]
    for connection in slow:
        connection.sendall(b"POST /v1/events HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n{")
    with httpx.Client(base_url=f"http://{served[0]}:{served[1]}", timeout=LONG) as client:
        assert client.post("/v1/events", json={"events": [event()]}).json()["accepted"] == 1
    for connection in slow:
        connection.close()


def test_no_part_of_an_answer_waits_for_the_client_to_acknowledge_another(
    served: tuple[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    at_once: list[int] = []
    made = PatientProtocol.connection_made

    def noted(protocol: PatientProtocol, transport: Any) -> None:
        made(protocol, transport)
        at_once.append(transport.get_extra_info("socket").getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))

    monkeypatch.setattr(PatientProtocol, "connection_made", noted)
    assert httpx.get(f"http://{served[0]}:{served[1]}/healthz", timeout=LONG).status_code == 200
    assert at_once
    assert all(at_once)


def test_a_client_that_goes_away_leaves_nothing_behind(served: tuple[str, int], settings: Settings) -> None:
    with socket.create_connection(served) as connection:
        connection.sendall(b"PUT /v1/articles/half HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99\r\n\r\n{}")
    with httpx.Client(base_url=f"http://{served[0]}:{served[1]}", timeout=LONG) as client:
        assert client.get("/v1/articles/half").status_code == 404
    with writing(open_sessions(settings)):
        """The database is not locked."""
