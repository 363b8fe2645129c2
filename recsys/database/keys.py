"""API keys: random, shown once, and kept as hashes only."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Literal, get_args

from sqlalchemy import select
from sqlalchemy.orm import Session

from recsys.database import audit
from recsys.database.bulk import one_at_a_time
from recsys.database.tables import KeyRow
from recsys.domain import NotKnownError, NotPossibleError, Timestamp

Scope = Literal["read", "write", "admin"]
SCOPES: tuple[Scope, ...] = get_args(Scope)
PREFIX = "recsys_"  # so that a secret scanner, or a person, knows one where it should not be
RANDOM_BYTES = 32


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls, as far as a key says so."""

    name: str
    scopes: frozenset[str]

    def may(self, scope: str) -> bool:
        """Whether this caller has a scope; admin includes all."""
        return scope in self.scopes or "admin" in self.scopes


def digest(key: str) -> str:
    """What is kept of a key: sha256, in hex. A random 256-bit key needs no slow hash, which is for passwords."""
    return sha256(key.encode("utf-8", "surrogateescape")).hexdigest()


def create(session: Session, name: str, scopes: Sequence[str], *, at: Timestamp, who: str) -> str:
    """Make a key and return it: nobody can read it again.

    Raises:
        NotPossibleError: when an unrevoked key has this name.
    """
    one_at_a_time(session, "keys")  # or two of one name could be made at once, and revoking it would end one of them
    if name in {row.name for row in listed(session) if row.revoked_at is None}:
        raise NotPossibleError(f"There is a key named {name!r} already: choose another name, or revoke it first.")
    key = PREFIX + secrets.token_urlsafe(RANDOM_BYTES)
    granted = [scope for scope in SCOPES if scope in scopes]
    session.add(KeyRow(name=name, digest=digest(key), scopes=granted, created_at=at, revoked_at=None))
    audit.record(session, at=at, who=who, action="key.create", subject=name, details={"scopes": granted})
    return key


def listed(session: Session) -> list[KeyRow]:
    """All keys that ever were, oldest first."""
    return list(session.scalars(select(KeyRow).order_by(KeyRow.key)))


def revoke(session: Session, name: str, *, at: Timestamp, who: str) -> None:
    """Take a key out of use; raises NotKnownError when no unrevoked key has this name."""
    row = session.scalar(select(KeyRow).where(KeyRow.name == name, KeyRow.revoked_at.is_(None)))
    if row is None:
        raise NotKnownError(f"There is no key named {name!r} in use: `recsys keys list` shows them.")
    row.revoked_at = at
    audit.record(session, at=at, who=who, action="key.revoke", subject=name)


def callers(session: Session) -> dict[str, Caller]:
    """Whom each key in use belongs to, by the key's digest."""
    statement = select(KeyRow.digest, KeyRow.name, KeyRow.scopes).where(KeyRow.revoked_at.is_(None))
    return {digest: Caller(name, frozenset(scopes)) for digest, name, scopes in session.execute(statement)}
