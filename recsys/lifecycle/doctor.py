"""Looks for the usual troubles of a log, a model and a host, and says what to do about each."""

import time

from recsys.database import health
from recsys.database.session import open_sessions
from recsys.domain import RecsysError, Timestamp
from recsys.encoders import expected_ids
from recsys.lifecycle.checks import host, log, model
from recsys.lifecycle.checks.visit import Finding, Visit, error
from recsys.settings import Settings

RESTORE = (
    "Restore a copy of it; `sqlite3 recsys.db .recover` saves what can be read. Of a database that is written to only "
    "`VACUUM INTO` makes a sound copy."
)
CHECKS = (*log.CHECKS, *model.CHECKS, *host.CHECKS)


def examine(settings: Settings, now: Timestamp | None = None) -> list[Finding]:
    """Everything that is found, errors first; it changes nothing, and takes seconds on a long log."""
    found = [*host.disk(settings), *_examine_database(settings, time.time() if now is None else now)]
    return sorted(found, key=lambda finding: finding.severity != "error")


def _examine_database(settings: Settings, now: Timestamp) -> list[Finding]:
    try:
        sessions = open_sessions(settings)
    except RecsysError as trouble:
        return [error(str(trouble), "Run `recsys init`; the database is that of RECSYS_HOME or RECSYS_DATABASE_URL.")]
    try:
        encoders = expected_ids(settings)
    except RecsysError as trouble:
        return [error(str(trouble), "Restore the encoder's files, or the variable that names it.")]
    try:
        with sessions() as session:
            if damage := health.damage(session):
                return [error(f"The database file is damaged: {damage}.", RESTORE)]
            visit = Visit(session, settings, encoders, now)
            return [finding for check in CHECKS for finding in check(visit)]
    finally:
        sessions.kw["bind"].dispose()
