"""Keys and their scopes: who gets in, who does not, and what everybody may see."""

import time
from collections.abc import Iterator
from typing import Any

import pytest
from api_calls import assert_problem, event, until
from fastapi.testclient import TestClient

from api.app import create_app
from recsys.database import keys
from recsys.database.session import Sessions, open_sessions, upgrade, writing
from recsys.settings import Settings

SOON = 5.0  # seconds within which a process knows of a key, or that it was revoked
OPEN = ("/healthz", "/readyz", "/docs", "/openapi.json")
WRONG = keys.PREFIX + "0" * 43
READS = {
    ("get", "/v1/users/{user_id}/recommendations"), ("post", "/v1/users/{user_id}/rank"),
    ("get", "/v1/users/{user_id}"), ("get", "/v1/articles/{article_id}"), ("get", "/v1/articles/{article_id}/similar"),
    ("get", "/v1/articles/{article_id}/image"), ("get", "/v1/models"), ("get", "/metrics"),
}  # fmt: skip
WRITES = {
    ("post", "/v1/events"), ("put", "/v1/articles/{article_id}"), ("post", "/v1/articles"),
    ("delete", "/v1/articles/{article_id}"), ("post", "/v1/articles/{article_id}/merge"),
    ("delete", "/v1/users/{user_id}"), ("post", "/v1/users/{user_id}/merge"), ("put", "/v1/users/{user_id}/robot"),
    ("delete", "/v1/users/{user_id}/robot"),
}  # fmt: skip
ADMINS = {
    ("post", "/v1/models/{version}/promote"), ("post", "/v1/models/rollback"), ("get", "/v1/audit"),
    ("get", "/v1/data"), ("get", "/v1/newest"), ("get", "/v1/findings"),
}  # fmt: skip


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


def make(sessions: Sessions, name: str, *scopes: str) -> str:
    with writing(sessions) as session:
        return keys.create(session, name, scopes, at=time.time(), who="test")


@pytest.fixture(scope="module")
def settings_of_keys(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return Settings(home=tmp_path_factory.mktemp("keys") / "var", _env_file=None)


@pytest.fixture(scope="module")
def known(settings_of_keys: Settings) -> dict[str, str]:
    """A key for each scope, by its name, in an empty database."""
    upgrade(settings_of_keys)
    sessions = open_sessions(settings_of_keys)
    made = {scope: make(sessions, scope, scope) for scope in keys.SCOPES}
    sessions.kw["bind"].dispose()
    return made


@pytest.fixture(scope="module")
def closed(settings_of_keys: Settings, known: dict[str, str]) -> Iterator[TestClient]:
    """The API on that database."""
    with TestClient(create_app(settings_of_keys), raise_server_exceptions=False) as client:
        yield client


def sessions_of(client: Any) -> Sessions:
    sessions: Sessions = client.app.state.running.sessions
    return sessions


def operations(client: Any) -> dict[tuple[str, str], dict[str, Any]]:
    paths = client.get("/openapi.json").json()["paths"]
    return {(method, path): one for path, methods in paths.items() for method, one in methods.items()}


def test_without_keys_this_machine_may_do_everything(bare: TestClient) -> None:
    assert bare.get("/v1/models").status_code == 200
    assert_problem(bare.post("/v1/models/rollback"), 409)
    assert bare.get("/metrics").status_code == 200


def test_without_keys_no_other_machine_is_answered(bare: TestClient) -> None:
    """Whoever starts the app by another server than `recsys serve` may have it listen everywhere."""
    for address in ("192.168.0.7", "8.8.8.8", "2606:4700::1111"):
        stranger = TestClient(bare.app, client=(address, 50000))
        assert_problem(stranger.get("/v1/models"), 403, "recsys keys create")
        assert_problem(stranger.get("/metrics"), 403, "recsys keys create")
        assert stranger.get("/healthz").status_code == 200
    neighbour = TestClient(bare.app, client=("127.0.0.1", 50000))
    assert neighbour.get("/v1/models").status_code == 200


def test_without_keys_no_other_site_acts_through_a_browser_here(bare: TestClient) -> None:
    for headers in ({"Sec-Fetch-Site": "cross-site"}, {"Host": "news.example"}, {"Host": "evil.example:8000"}):
        assert_problem(bare.post("/v1/models/rollback", headers=headers), 403)
    for origin in ("https://evil.example", "http://localhost:3000", "null", ""):  # of browsers that say no more
        headers = {"Host": "localhost:8000", "Origin": origin, "Content-Type": "text/plain"}
        assert_problem(bare.post("/v1/models/rollback", headers=headers), 403)
    for host in ("localhost:8000", "127.0.0.1:8000", "[::1]:8000", "10.1.2.3"):
        assert bare.get("/v1/models", headers={"Host": host}).status_code == 200
        assert bare.get("/v1/models", headers={"Host": host, "Origin": f"http://{host}"}).status_code == 200


@pytest.mark.parametrize("root", ["/news", "/v", "/v1", "/news/"])
def test_a_proxys_path_switches_off_neither_keys_nor_scopes(
    closed: TestClient, known: dict[str, str], root: str
) -> None:
    """As uvicorn's --root-path: what a request brings stands below it, or is a path that the proxy did not lengthen."""
    below = TestClient(closed.app, root_path=root, raise_server_exceptions=False)
    assert_problem(below.get(f"{root}/v1/models"), 401)
    assert_problem(below.get(f"{root}/metrics"), 401)
    for path in (f"{root}/v1/models/rollback", "/v1/models/rollback"):
        found = below.post(path, headers=bearer(known["admin"])).status_code != 404
        assert below.post(path).status_code == (401 if found else 404)
        assert below.post(path, headers=bearer(known["read"])).status_code == (403 if found else 404)
    if not root.endswith("/"):
        assert below.post(f"{root}/v1/models/rollback", headers=bearer(known["admin"])).status_code == 409


def test_with_keys_nothing_is_answered_without_one(closed: TestClient) -> None:
    for method, path in operations(closed):
        answer = closed.request(method, path.replace("{", "").replace("}", ""))
        if path in OPEN:
            assert answer.status_code in (200, 503), path
        else:
            assert_problem(answer, 401, "recsys keys create")
            assert answer.headers["www-authenticate"].startswith("Bearer")
    assert_problem(closed.get("/v1/nothing"), 401)
    assert closed.get("/docs").status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        bearer(WRONG),
        {"X-API-Key": WRONG},
        bearer(""),
        {"Authorization": "Bearer"},
        bearer("recsys_\xff"),
        bearer("x" * 9000),
    ],
)
def test_a_wrong_key_is_refused(closed: TestClient, headers: dict[str, str]) -> None:
    headers = {name: value.encode("latin-1") for name, value in headers.items()}
    answer = closed.get("/v1/models", headers=headers)
    assert_problem(answer, 401)
    assert "invalid_token" in answer.headers["www-authenticate"]


def test_other_schemes_are_no_keys(closed: TestClient, known: dict[str, str]) -> None:
    assert_problem(closed.get("/v1/models", headers={"Authorization": f"Basic {known['admin']}"}), 401)
    assert_problem(closed.get("/v1/models", params={"key": known["admin"]}), 401)


def test_both_ways_to_send_a_key_work(closed: TestClient, known: dict[str, str]) -> None:
    assert closed.get("/v1/models", headers=bearer(known["read"])).status_code == 200
    assert closed.get("/v1/models", headers={"Authorization": f"bearer {known['read']}"}).status_code == 200
    assert closed.get("/v1/models", headers={"X-API-Key": known["read"]}).status_code == 200
    assert closed.get("/metrics", headers=bearer(known["read"])).status_code == 200


def test_a_scope_opens_its_routes_and_no_others(closed: TestClient, known: dict[str, str]) -> None:
    """Every route, with a key of every scope: what is not refused is taken, or refused for another reason."""
    for (method, path), operation in operations(closed).items():
        if path in OPEN:
            continue
        needed = operation["security"][0]["bearer"][0]
        for scope, key in known.items():
            answer = closed.request(method, path.replace("{", "").replace("}", ""), headers=bearer(key))
            if scope in (needed, "admin"):
                assert answer.status_code not in (401, 403, 500), (scope, method, path)
            else:
                assert_problem(answer, 403, needed, scope)


def test_openapi_says_which_scope_a_route_takes(closed: TestClient) -> None:
    known = operations(closed)
    for expected, scope in ((READS, "read"), (WRITES, "write"), (ADMINS, "admin")):
        for operation in expected:
            assert known[operation]["security"] == [{"bearer": [scope]}, {"header": [scope]}], operation
            assert {"401", "403"} <= known[operation]["responses"].keys(), operation
    for (method, path), operation in known.items():
        assert ("security" in operation) == (path not in OPEN), (method, path)
        if path.startswith(("/v1/rules", "/v1/experiment", "/v1/retrain")) and method != "get":
            assert operation["security"][0]["bearer"] == ["admin"], (method, path)
    schemes = closed.get("/openapi.json").json()["components"]["securitySchemes"]
    assert (schemes["bearer"]["scheme"], schemes["header"]["name"]) == ("bearer", "X-API-Key")


def test_a_key_counts_from_when_it_is_made_until_it_is_revoked(closed: TestClient) -> None:
    sessions = sessions_of(closed)
    late = make(sessions, "late", "read")
    assert closed.get("/v1/models", headers=bearer(late)).status_code == 200  # at once
    with writing(sessions) as session:
        keys.revoke(session, "late", at=time.time(), who="test")
    until(lambda: closed.get("/v1/models", headers=bearer(late)).status_code == 401, SOON)


def test_the_first_key_closes_a_running_api(bare: TestClient) -> None:
    assert bare.get("/v1/models").status_code == 200
    first = make(sessions_of(bare), "first", "admin")
    until(lambda: bare.get("/v1/models").status_code == 401, SOON)
    with writing(sessions_of(bare)) as session:
        keys.revoke(session, "first", at=time.time(), who="test")
    until(lambda: bare.get("/v1/models").status_code == 200, SOON)
    assert_problem(bare.get("/v1/models", headers=bearer(first)), 401, "revoked")  # its holder should know


def test_an_answer_never_repeats_a_key(closed: TestClient, known: dict[str, str]) -> None:
    for key in (WRONG, known["read"]):
        answer = closed.post("/v1/models/rollback", headers=bearer(key))
        assert answer.status_code in (401, 403)
        assert key not in answer.text


def test_keys_go_on_to_count_while_the_database_is_away(
    closed: TestClient, known: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    keyring = closed.app.state.running.keyring  # type: ignore[attr-defined]
    monkeypatch.setattr(keyring, "_sessions", lambda: sessions_of_nothing())
    assert closed.get("/v1/models", headers=bearer(known["read"])).status_code == 200
    assert_problem(closed.get("/v1/models", headers=bearer(WRONG)), 401)
    assert_problem(closed.get("/v1/models"), 401)


def sessions_of_nothing() -> Any:
    from sqlalchemy.exc import OperationalError

    raise OperationalError("SELECT", {}, Exception("no route to host"))


def test_a_wrong_key_is_told_before_its_body_is_read(closed: TestClient) -> None:
    answer = closed.post("/v1/events", content=b"{", headers=bearer(WRONG) | {"Content-Type": "application/json"})
    assert_problem(answer, 401)


def test_what_was_changed_is_audited_under_the_name_of_the_key(closed: TestClient, known: dict[str, str]) -> None:
    made = closed.get("/v1/audit", params={"action": "key.create"}, headers=bearer(known["admin"])).json()["changes"]
    assert [(change["action"], change["subject"], change["who"]) for change in made[-3:]] == [
        ("key.create", scope, "test") for scope in reversed(keys.SCOPES)
    ]
    assert made[-3]["details"] == {"scopes": ["admin"]}
    one = closed.get("/v1/audit", params={"subject": "read", "limit": 1}, headers=bearer(known["admin"])).json()
    assert [change["subject"] for change in one["changes"]] == ["read"]
    kind = closed.get("/v1/audit", params={"action": "key"}, headers=bearer(known["admin"])).json()["changes"]
    assert {change["action"] for change in kind} <= {"key.create", "key.revoke"}
    assert len(kind) >= len(made)
    none = closed.get("/v1/audit", params={"action": "model"}, headers=bearer(known["admin"])).json()
    assert none == {"changes": []}
    assert not any(key in str(made) for key in known.values())


def test_promotions_are_audited(client: TestClient, newspaper: Any) -> None:
    client.post(f"/v1/models/{newspaper.candidate}/promote")
    client.post("/v1/models/rollback")
    admin = make(sessions_of(client), "operations", "admin")
    until(lambda: client.get("/v1/models").status_code == 401, SOON)
    client.post(f"/v1/models/{newspaper.candidate}/promote", headers=bearer(admin))
    changes = client.get("/v1/audit", params={"action": "model", "limit": 3}, headers=bearer(admin)).json()["changes"]
    assert [(change["who"], change["action"], change["subject"]) for change in changes] == [
        ("operations", "model.promote", newspaper.candidate),
        ("local", "model.rollback", newspaper.live),
        ("local", "model.promote", newspaper.candidate),
    ]
    assert_problem(client.post("/v1/events", json={"events": [event()]}), 401)
