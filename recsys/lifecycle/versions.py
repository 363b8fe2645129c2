"""Names, describes, promotes and takes back model versions without loading one: hardly any of this needs torch."""

import secrets
import time
from datetime import UTC, datetime
from typing import Any

from sqlalchemy.orm import Session

from recsys.database import audit, models
from recsys.database.session import Sessions, writing
from recsys.database.tables import ModelVersionRow
from recsys.domain import NotPossibleError, RecsysError, Timestamp
from recsys.settings import Settings
from recsys.snapshots.manifest import read_manifest

COMMAND = "cli"  # who does what is done on the command line
BY_HAND = "promoted by hand"
FIRST_PROMOTION = "nothing was live yet"


def new_version() -> str:
    """A name for a version: by the time of day, so that names sort by it, and what no other training draws."""
    return f"{datetime.now(UTC):%Y%m%dT%H%M%S}-{secrets.token_hex(3)}"


def describe(row: ModelVersionRow) -> dict[str, Any]:
    """A version for people and for JSON."""
    return {
        "version": row.version,
        "created_at": rfc3339(row.created_at),
        "since": None if row.since is None else rfc3339(row.since),
        "until": None if row.until is None else rfc3339(row.until),
        "status": row.status,
        "reason": row.reason,
        "metrics": row.metrics,
    }


def make_live(session: Session, version: str, why: str, *, who: str) -> None:
    """Promote a version, and note who did and why; one that is live already only gets another reason."""
    at, previous = time.time(), models.live_version(session)
    models.promote(session, version, at, why)
    if previous != version:
        audit.record(
            session, at=at, who=who, action="model.promote", subject=version, details={"why": why, "previous": previous}
        )


def promote(sessions: Sessions, settings: Settings, version: str, *, who: str = COMMAND) -> None:
    """Make a version live, after checking that its snapshot is whole and fits the settings; nothing where it is.

    Raises:
        RecsysError: when there is no such version, or it cannot be served.
    """
    from recsys.lifecycle.loading import check_version  # torch, which the other commands here need not wait for

    with sessions() as session:
        why = _by_hand(models.get_version(session, version).reason)
    check_version(settings, version)
    with writing(sessions) as session:
        if models.live_version(session) != version:
            make_live(session, version, why, who=who)


def _by_hand(reason: str | None) -> str:
    """Why it is live, and beside that what was said of it before, such as by how much it lost."""
    if reason is None or reason.startswith(BY_HAND):
        return reason or BY_HAND
    return f"{BY_HAND}; before: {reason}"


def rollback(sessions: Sessions, settings: Settings, *, who: str = COMMAND) -> str:
    """Make the version live that was live before the present one, and return it.

    Raises:
        NotPossibleError: when there is none, or its snapshot is not whole any more; nothing is changed then.
    """
    with writing(sessions) as session:
        at, previous = time.time(), models.live_version(session)
        version = models.rollback(session, at)
        audit.record(session, at=at, who=who, action="model.rollback", subject=version, details={"previous": previous})
        try:
            read_manifest(settings.snapshots / version)
        except RecsysError as error:
            raise NotPossibleError(
                f"Version {version}, which was live before, cannot be served. {error} `recsys models` lists the others."
            ) from error
    return version


def rfc3339(at: Timestamp) -> str:
    """A time for people and for JSON."""
    return datetime.fromtimestamp(at, UTC).isoformat().replace("+00:00", "Z")
