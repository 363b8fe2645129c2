"""Keys on the command line; and a service without keys that keeps to its own machine."""

import socket

import pytest
from cli_commands import Cli

from recsys.cli.serve import check_host, check_port
from recsys.database import audit, keys
from recsys.database.session import open_sessions
from recsys.domain import RecsysError
from recsys.settings import Settings


@pytest.fixture
def ready(cli: Cli) -> Cli:
    cli.json("init")
    return cli


def test_a_key_is_shown_once(ready: Cli) -> None:
    made = ready.json("keys", "create", "front page", "--scope", "read", "--scope", "write")
    assert (made["name"], made["scopes"]) == ("front page", ["read", "write"])
    assert made["key"].startswith("recsys_")
    said = ready.run("keys", "create", "operations", "--scope", "admin")
    assert said.out.startswith("recsys_")
    listed = ready.json("keys", "list")
    assert [(row["name"], row["scopes"], row["revoked_at"]) for row in listed["keys"]] == [
        ("front page", ["read", "write"], None),
        ("operations", ["admin"], None),
    ]
    assert made["key"] not in str(listed)
    assert "front page  read, write  since 20" in ready.run("keys", "list").out


def test_a_key_reads_unless_told_otherwise(ready: Cli) -> None:
    assert ready.json("keys", "create", "reader")["scopes"] == ["read"]


def test_a_key_is_revoked(ready: Cli) -> None:
    ready.json("keys", "create", "one")
    ready.json("keys", "create", "two")
    assert ready.json("keys", "revoke", "one") == {"revoked": "one", "left": 1}
    assert "one" in ready.fails("keys", "revoke", "one")
    assert "this machine only" in ready.run("keys", "revoke", "two").out
    assert all(row["revoked_at"] for row in ready.json("keys", "list")["keys"])
    with open_sessions(Settings(home=ready.home, _env_file=None))() as session:
        noted = audit.newest(session, 10, action="key")
        assert [(row.who, row.action, row.subject) for row in noted] == [
            ("cli", "key.revoke", "two"),
            ("cli", "key.revoke", "one"),
            ("cli", "key.create", "two"),
            ("cli", "key.create", "one"),
        ]


def test_what_cannot_be_is_said(ready: Cli) -> None:
    assert "'all' is no scope" in ready.fails("keys", "create", "one", "--scope", "all", code=2)
    assert "characters" in ready.fails("keys", "create", "", code=2)
    assert "characters" in ready.fails("keys", "create", "x" * 129, code=2)
    ready.json("keys", "create", "one")
    assert "already" in ready.fails("keys", "create", "one")
    assert "nobody" in ready.fails("keys", "revoke", "nobody")
    assert ready.run("keys", "list").code == 0


def test_a_key_needs_no_name(ready: Cli) -> None:
    ready.json("keys", "create", "key 2")
    made = [ready.json("keys", "create") for _ in range(2)]
    assert [key["name"] for key in made] == ["key 1", "key 3"]
    assert all(key["key"].startswith(keys.PREFIX) for key in made)
    for name in ("key 1", "key 2", "key 3"):
        ready.json("keys", "revoke", name)


def test_a_port_that_is_taken_is_told_before_anything_is_loaded(ready: Cli) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        assert f"port {port} of 127.0.0.1" in ready.fails("serve", "--port", port)


@pytest.mark.parametrize("host", ["a..b", "x" * 70, "no.such.name.invalid"])
def test_a_host_that_is_none_is_explained(host: str) -> None:
    with pytest.raises(RecsysError, match="Nobody can listen"):
        check_port(host, 0)


@pytest.mark.parametrize("host", ["", "0.0.0.0", "::1", "localhost"])
def test_a_port_that_is_free_is_taken_as_it_is(host: str) -> None:
    check_port(host, 0)


@pytest.mark.parametrize("port", ["-5", "99999", "http"])
def test_what_is_no_port_is_wrong_usage(ready: Cli, port: str) -> None:
    assert ready.run("serve", "--port", port).code == 2


def test_without_keys_there_is_nothing_to_list(ready: Cli) -> None:
    assert ready.json("keys", "list") == {"keys": []}


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "", "192.168.0.7", "8.8.8.8", "no.such.name.invalid"])
def test_a_service_without_keys_refuses_other_hosts(ready: Cli, host: str) -> None:
    why = ready.fails("serve", "--host", host, "--port", "0")
    assert "Without API keys" in why
    assert "recsys keys create" in why


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "localhost", "::1"])
def test_a_service_without_keys_takes_its_own_machine(ready: Cli, host: str) -> None:
    check_host(open_sessions(Settings(home=ready.home, _env_file=None)), host)


def test_with_a_key_any_host_will_do(ready: Cli) -> None:
    sessions = open_sessions(Settings(home=ready.home, _env_file=None))
    ready.json("keys", "create", "one")
    check_host(sessions, "0.0.0.0")
    ready.json("keys", "revoke", "one")
    with pytest.raises(RecsysError, match="Without API keys"):
        check_host(sessions, "0.0.0.0")
    assert keys.PREFIX == "recsys_"
