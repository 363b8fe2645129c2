"""Logs what was answered, so that it can become an impression once it is known to have been seen."""

import logging
import time
import uuid

from recsys.database import served
from recsys.database.session import Sessions, writing
from recsys.domain import Context, NotReadyError, Recommendation, Timestamp

log = logging.getLogger(__name__)


def remember(
    sessions: Sessions,
    *,
    user_id: str,
    at: Timestamp,
    answer: list[Recommendation],
    context: Context,
    model_version: str,
    seen: bool,
) -> str | None:
    """Log an answer and return its impression id; None while the database takes nothing, since readers don't wait.

    Args:
        seen: whether it counts as an impression without anybody's confirmation.
    """
    impression_id = uuid.uuid4().hex
    try:
        with writing(sessions) as session:
            served.log_served(
                session, impression_id=impression_id, user_id=user_id, at=at, answer=answer, context=context,
                model_version=model_version,
            )  # fmt: skip
            if seen and answer:
                served.confirm_served(session, impression_id, time.time())
    except NotReadyError as error:
        log.warning("an answer could not be logged: %s", error)
        return None
    return impression_id
