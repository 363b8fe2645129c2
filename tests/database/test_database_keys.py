"""Keys are random, kept as hashes, and audited."""

import pytest
from sqlalchemy import select

from recsys.database import audit, keys
from recsys.database.session import Sessions, writing
from recsys.database.tables import KeyRow
from recsys.domain import NotKnownError, NotPossibleError


def create(sessions: Sessions, name: str, *scopes: str) -> str:
    with writing(sessions) as session:
        return keys.create(session, name, scopes, at=7.0, who="me")


def test_only_the_hash_of_a_key_is_kept(sessions: Sessions) -> None:
    key = create(sessions, "front", "write", "read")
    with sessions() as session:
        row = session.scalar(select(KeyRow))
        assert row is not None
        assert (row.name, row.scopes, row.created_at, row.revoked_at) == ("front", ["read", "write"], 7.0, None)
        assert not any(key in str(value) for value in vars(row).values())
        assert keys.callers(session) == {keys.digest(key): keys.Caller("front", frozenset({"read", "write"}))}


def test_keys_are_long_random_and_recognisable(sessions: Sessions) -> None:
    made = {create(sessions, f"key{n}", "read") for n in range(20)}
    assert len(made) == 20
    for key in made:
        assert key.startswith("recsys_")
        assert len(key.removeprefix("recsys_")) * 6 >= 256  # bits


def test_a_revoked_key_is_nobodys_and_its_name_is_free(sessions: Sessions) -> None:
    old = create(sessions, "front", "read")
    with pytest.raises(NotPossibleError, match="front"):
        create(sessions, "front", "admin")
    with writing(sessions) as session:
        keys.revoke(session, "front", at=8.0, who="you")
    new = create(sessions, "front", "admin")
    with sessions() as session:
        callers = keys.callers(session)
        assert keys.digest(old) not in callers
        assert callers[keys.digest(new)].may("write")
        assert [row.revoked_at for row in keys.listed(session)] == [8.0, None]


def test_what_is_not_there_cannot_be_revoked(sessions: Sessions) -> None:
    with pytest.raises(NotKnownError, match="keys list"), writing(sessions) as session:
        keys.revoke(session, "nobody", at=8.0, who="you")


def test_making_and_revoking_is_audited(sessions: Sessions) -> None:
    key = create(sessions, "front", "read")
    with writing(sessions) as session:
        keys.revoke(session, "front", at=8.0, who="you")
    with sessions() as session:
        noted = audit.newest(session, 10, action="key", subject="front")
        assert [(row.at, row.who, row.action) for row in noted] == [
            (8.0, "you", "key.revoke"),
            (7.0, "me", "key.create"),
        ]
        assert [row.action for row in audit.newest(session, 10, action="key.create")] == ["key.create"]
        assert key not in str([row.details for row in noted])


@pytest.mark.parametrize(
    ("has", "may"), [("read", {"read"}), ("write", {"write"}), ("admin", {"read", "write", "admin"})]
)
def test_admin_includes_the_other_scopes(has: str, may: set[str]) -> None:
    caller = keys.Caller("one", frozenset({has}))
    assert {scope for scope in keys.SCOPES if caller.may(scope)} == may
