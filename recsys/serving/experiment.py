"""Two versions at once: who gets which, and how the setting and the database agree on it.

The row in the database is what processes act on, so that all of them change over together and the figures have a
beginning. The setting wins over the API: a process that starts with it makes it the row, and while it is set the API
refuses to change the experiment. A process that starts without it ends an experiment that came from the setting.
"""

import hashlib
import logging
import time

from sqlalchemy.orm import Session

from recsys.database import experiments, users
from recsys.database.experiments import FROM_SETTING, Experiment
from recsys.database.session import Sessions, writing
from recsys.domain import NotPossibleError, RecsysError
from recsys.pipeline.exploration import Exploration
from recsys.pipeline.model import Model
from recsys.pipeline.recommend import Answer
from recsys.serving.answering import live_model
from recsys.serving.live import Live
from recsys.settings import Settings

log = logging.getLogger(__name__)

DIGITS = 6  # bytes of the hash that count: 48 bits, which a float holds exactly


def place(version: str, user_id: str) -> float:
    """Where a user stands in an experiment with a version, evenly in [0, 1), the same in every process for ever."""
    digest = hashlib.sha256(f"{version}\0{user_id}".encode(errors="surrogatepass")).digest()
    return int.from_bytes(digest[:DIGITS]) / float(256**DIGITS)


def is_in(experiment: Experiment, user_id: str) -> bool:
    """Whether a user gets the experiment's version; while its share only grows nobody leaves it."""
    return place(experiment.version, user_id) < experiment.share


def model_for(live: Live, session: Session, user_id: str) -> Model:
    """The version that answers a user; the live one for everybody where the other could not be loaded.

    An id that logged in as a reader gets what the reader gets.

    Raises:
        NotReadyError: while no model is live.
    """
    model, experiment = live_model(live), live.experiment
    other = None if experiment is None else live.models.get(experiment.version)
    if experiment is None or other is None:
        return model
    reader = users.readers_of(session, [user_id]).get(user_id, user_id)
    return other if is_in(experiment, reader) else model


def named(settings: Settings) -> tuple[str, float] | None:
    """The version and the share that RECSYS_EXPERIMENT names."""
    version, _, share = settings.experiment.rpartition(":")
    return (version, float(share)) if version else None


def exploration_of(settings: Settings) -> Exploration | None:
    """How requests are explored; only those that a replay can ask again are: no section, and nothing excluded."""
    if not settings.exploration:
        return None
    return Exploration(settings.exploration, settings.exploration_temperature)


def propensities_of(answer: Answer) -> list[float] | None:
    """What to log with a list; nothing where nothing is left to chance."""
    return None if answer.propensities is None else answer.propensities.tolist()


def check_free(settings: Settings) -> None:
    """Refuse to change by the API what the setting says.

    Raises:
        NotPossibleError: while RECSYS_EXPERIMENT is set.
    """
    if settings.experiment:
        raise NotPossibleError(f"RECSYS_EXPERIMENT={settings.experiment} is set, and wins: change it there.")


def apply_setting(sessions: Sessions, settings: Settings) -> None:
    """What a process does at its start; an experiment that cannot be is logged, and everybody gets the live version."""
    wanted, now = named(settings), time.time()
    try:
        with sessions() as session:
            if wanted is None and not experiments.is_from_setting(session):
                return
        with writing(sessions) as session:
            if wanted is not None:
                experiments.start(session, *wanted, at=now, who=FROM_SETTING)
            elif experiments.is_from_setting(session):  # another process may have ended it meanwhile
                experiments.end(session, at=now, who=FROM_SETTING)
    except RecsysError as error:
        log.error("RECSYS_EXPERIMENT=%s is not in force: %s", settings.experiment, error)  # noqa: TRY400


def trouble(settings: Settings, live: Live, experiment: Experiment | None) -> str | None:
    """Why this process does not serve the experiment that it should; None where it does, or there is none."""
    wanted = named(settings)
    if wanted is not None and (experiment is None or (experiment.version, experiment.share) != wanted):
        return f"RECSYS_EXPERIMENT={settings.experiment} is not in force: the log of the process says why."
    if experiment is not None and experiment.version not in live.models:
        return live.trouble or f"Version {experiment.version} is still being loaded."
    return None
