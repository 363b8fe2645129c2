"""Errors are RFC 9457 problems, whatever goes wrong; and OpenAPI says so."""

import asyncio
import json
import re

import pytest
import sqlalchemy
from api_calls import assert_problem, event
from sqlalchemy.exc import OperationalError

from recsys.database import users
from recsys.database.session import open_sessions, writing
from recsys.domain import RecsysError
from recsys.serving.recommender import Recommender


def test_what_is_not_there_is_a_problem(client):
    assert_problem(client.get("/v1/nothing"), 404, "/v1/nothing", "/docs")
    answer = client.delete("/v1/models")
    assert_problem(answer, 405, "DELETE")
    assert answer.headers["allow"] == "GET, HEAD"
    every = client.patch("/v1/articles/a1")
    assert_problem(every, 405, "PATCH")
    assert every.headers["allow"] == "GET, HEAD, PUT, DELETE"
    assert client.get("/v1/events").headers["allow"] == "POST"
    assert client.post("/assets/common.js").headers["allow"] == "GET, HEAD"


@pytest.mark.parametrize("body", [b"{", b"", b"\xff\xfe", b"[" * 100_000])
def test_a_body_that_is_no_json_is_a_problem(client, body):
    answer = client.post("/v1/events", content=body, headers={"content-type": "application/json"})
    assert_problem(answer, answer.status_code)
    assert answer.status_code in (400, 422)


def test_json_that_breaks_off_says_where(client):
    answer = client.post("/v1/events", content=b'{"events":[', headers={"content-type": "application/json"})
    problem = assert_problem(answer, 422, "body: it is no JSON", "character 11")
    assert [error["where"] for error in problem["errors"]] == ["body"]


def test_json_that_is_not_said_to_be_json_is_told_apart(client):
    answer = client.post("/v1/events", content=b'{"events": []}', headers={"content-type": "text/csv"})
    assert_problem(answer, 422, "Content-Type: application/json", "text/csv")
    assert_problem(client.post("/v1/events", content=b'{"events": []}'), 422, "Content-Type: application/json")


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/", "/docs", "/v1/articles/a1", "/v1/articles/nothing"])
def test_who_asks_for_the_head_alone_gets_no_body(http, path):
    answer, whole = http.head(path), http.get(path)
    assert (answer.status_code, answer.content) == (whole.status_code, b"")
    assert answer.headers["content-length"] == str(len(whole.content))
    assert answer.headers["content-type"] == whole.headers["content-type"]


@pytest.mark.parametrize("path", ["/v1/users/J%F8rgen", "/v1/articles/caf%E9", "/v1/users/J%F8rgen/recommendations"])
def test_ids_in_paths_that_are_no_utf_8_are_refused_and_not_made_one(client, path):
    assert_problem(client.get(path), 422, "percent-encoded UTF-8")


def test_bytes_in_a_path_that_nobody_encoded_are_told_apart(client):
    """As a careless client sends them: httpx would encode them."""

    async def asked(raw: bytes) -> int:
        sent = []

        async def send(message):
            sent.append(message)

        async def receive():
            return {"type": "http.request", "body": b"", "more_body": False}

        scope = {"type": "http", "http_version": "1.1", "method": "GET", "scheme": "http", "root_path": ""}
        host = {"headers": [(b"host", b"testserver")], "client": ("127.0.0.1", 1), "server": ("testserver", 80)}
        path = {"path": raw.decode("utf-8", "replace"), "raw_path": raw, "query_string": b""}
        await client.app(scope | host | path, receive, send)
        return sent[0]["status"]

    client.put("/v1/articles/café", json={"title": "Coffee"})
    assert asyncio.run(asked(b"/v1/articles/caf\xe9")) == 422
    assert asyncio.run(asked("/v1/articles/café".encode())) == 200


def test_odd_characters_in_a_wrong_request_do_not_break_the_answer(client):
    body = b'{"title": "\\ud800", "\\udfff": 1}'
    answer = client.put("/v1/articles/n1", content=body, headers={"content-type": "application/json"})
    assert_problem(answer, 422)


def test_a_defect_is_answered_without_its_traceback(client, monkeypatch):
    def broken(*_args, **_named):
        raise ZeroDivisionError("secret detail")

    monkeypatch.setattr(Recommender, "recommend", broken)
    answer = client.get("/v1/users/u1/recommendations")
    assert_problem(answer, 500, "log")
    assert "secret" not in answer.text


def test_a_failure_that_explains_itself_is_passed_on(client, monkeypatch):
    def failing(*_args, **_named):
        raise RecsysError("The moon is in the way: wait.")

    monkeypatch.setattr(Recommender, "recommend", failing)
    assert_problem(client.get("/v1/users/u1/recommendations"), 500, "moon")


def test_a_database_that_does_not_answer_is_a_problem(client, monkeypatch):
    def away(*_args):
        raise OperationalError("SELECT secret", {}, Exception("no route to host"))

    monkeypatch.setattr(users, "key_of", away)
    answer = client.get("/v1/users/u1")
    assert_problem(answer, 503, "database")
    assert "secret" not in answer.text
    assert answer.headers["retry-after"]


def test_a_busy_database_is_a_problem(client, site):
    bind = client.app.state.running.sessions.kw["bind"]
    bind.dispose()
    sqlalchemy.event.listen(bind, "connect", lambda connection, _record: connection.execute("PRAGMA busy_timeout=50"))
    with writing(open_sessions(site)):
        answer = client.post("/v1/events", json={"events": [event()]})
    assert_problem(answer, 503, "locked")
    assert client.post("/v1/events", json={"events": [event()]}).json()["accepted"] == 1


def test_openapi_documents_the_problems(client):
    document = client.get("/openapi.json").json()
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            if path.startswith("/v1"):
                problem = operation["responses"]["422"]["content"]
                assert problem.keys() == {"application/problem+json"}, (method, path)
                assert "detail" in problem["application/problem+json"]["schema"]["properties"]
    assert "404" in document["paths"]["/v1/articles/{article_id}"]["get"]["responses"]
    assert "HTTPValidationError" not in json.dumps(document)


def test_openapi_documents_the_events(client):
    schemas = client.get("/openapi.json").json()["components"]["schemas"]
    assert "impression_id" in schemas["ClickIn"]["properties"]
    assert {"$ref": "#/components/schemas/ImpressionIn"} in schemas["EventsIn"]["properties"]["events"]["items"][
        "oneOf"
    ]


def test_the_documentation_is_there_and_comes_from_this_server_alone(client):
    page = client.get("/docs")
    assert page.status_code == 200
    assert "https://" not in page.text
    loaded = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    assert any(path.endswith(".js") for path in loaded)
    assert all(client.get(path).status_code == 200 for path in loaded)
