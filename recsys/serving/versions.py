"""The model versions that a process answers with, and their indexes, which follow the catalogue."""

import logging
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from threading import RLock

import numpy as np
from sqlalchemy.orm import Session

from recsys.columns import Catalogue, Ints
from recsys.database import articles, experiments, models
from recsys.database.experiments import Experiment
from recsys.database.session import Sessions
from recsys.domain import Modality, RecsysError
from recsys.pipeline.content import changed_encoders
from recsys.pipeline.load import CATALOGUE, load_content
from recsys.pipeline.model import Model
from recsys.settings import Settings
from recsys.snapshots.snapshot import read_snapshot

log = logging.getLogger(__name__)

BLOCK = 4096  # articles whose vectors are computed at once
AT_A_LOOK = 4 * BLOCK  # articles that a version catches up with while what changes in the catalogue waits
EVERYTHING = sys.maxsize
AGAIN = 5.0  # seconds until a version that could not be read is tried again: its files are read whole each time
NOTHING = np.zeros(0, np.int64)


class Versions:
    """The live version and the one that an experiment names; ``lock`` is held while they are exchanged.

    One thread at a time follows which versions are served; another one may ``put`` what changed meanwhile.
    """

    def __init__(self, settings: Settings, encoders: Mapping[Modality, str], lock: RLock):
        self.settings, self.encoders, self.lock = settings, encoders, lock
        self.models: dict[str, Model] = {}  # by version; a new dict with every change
        self.live: Model | None = None  # the promoted one, or the last before it that could be loaded
        self.experiment: Experiment | None = None  # in force, whether its version could be loaded or not
        self._indexing = RLock()  # held from reading vectors until they are indexed, or older ones could come last
        self._behind: dict[str, Ints] = {}  # by version, articles that are still to be indexed
        self._failed: dict[
            str, tuple[float, str]
        ] = {}  # when to read a version again that could not be read, and why not
        self.trouble: str | None = None  # why a version that should be served is not
        self._ahead: dict[str, Model] = {}  # read before anybody asked

    def read_ahead(self, sessions: Sessions) -> None:
        """Read what is promoted, so that the first ``follow`` finds it; what goes wrong is told by that one."""
        with suppress(RecsysError), sessions() as session:
            if version := models.live_version(session):
                self._ahead[version] = self._read(session, version)

    def follow(self, sessions: Sessions, catalogue: Callable[[], Catalogue]) -> None:
        """Load what was promoted, or named by an experiment, and forget what no longer is.

        ``catalogue`` says what the process knows by the time when it is asked.
        """
        troubles: list[str] = []
        with sessions() as session:
            promoted, experiment = models.live_version(session), experiments.running(session)
            live = self._one(session, promoted, catalogue(), troubles) or self.live
            if live is None and promoted is not None:  # a process that starts: those that go on have an old one
                earlier = (self._one(session, one, catalogue(), troubles) for one in models.live_before(session))
                live = next((model for model in earlier if model is not None), None)
            second = None if experiment is None else self._one(session, experiment.version, catalogue(), troubles)
        served = {model.version: model for model in (live, second) if model is not None}
        new = [model for version, model in served.items() if version not in self.models]
        with self._indexing:  # what is put from here on reaches the new ones too
            self._behind = {v: keys for v, keys in self._behind.items() if v in served}
            self._behind |= _unsure(sessions, new, catalogue())
            if self.live is None:
                self._catch_up(sessions, new, EVERYTHING)
            with self.lock:
                self.models, self.live, self.experiment = served, live, experiment
        self._catch_up(sessions, served.values(), AT_A_LOOK)
        self._ahead.clear()
        self._tell(troubles)
        for model in new:
            self._warn_of_other_encoders(model)

    def put(self, sessions: Sessions, keys: Ints) -> None:
        """Index articles (n,) in each version, by the vectors that its own encoders made of them."""
        for start in range(0, len(keys), AT_A_LOOK):  # a new version waits for one of them, and no longer
            with self._indexing, sessions() as session:
                for model in self.models.values():
                    index(session, model, keys[start : start + AT_A_LOOK])

    def _catch_up(self, sessions: Sessions, served: Iterable[Model], most: int) -> None:
        """Index some of the articles of which these versions know only what their snapshots say."""
        for model in served:
            with self._indexing, sessions() as session:
                if len(keys := self._behind.get(model.version, NOTHING)):
                    index(session, model, keys[:most])
                    self._behind[model.version] = keys[most:]

    def _one(self, session: Session, version: str | None, catalogue: Catalogue, troubles: list[str]) -> Model | None:
        """A version that is here already, or is read now; None where there is none, or it cannot be read."""
        if version is None:
            return None
        if self.live is not None and self.live.version == version:
            return self.live
        if version in self.models:
            return self.models[version]
        if (failed := self._failed.get(version)) and time.monotonic() < failed[0]:
            troubles.append(failed[1])
            return None
        try:
            model = self._ahead.pop(version, None) or self._read(session, version)
            here = catalogue.present
            if self.live is not None:  # else all of them are indexed before it answers
                index(session, model, here[~np.isin(here, model.views.learned.keys)])
            for one in (model.views.learned, model.views.content):
                one.settle()  # a search without a base would look at every row
        except RecsysError as error:
            troubles.append(f"Version {version} is not served: {error}")
            self._failed[version] = time.monotonic() + AGAIN, troubles[-1]
            return None
        return model

    def _read(self, session: Session, version: str) -> Model:
        return read_snapshot(self.settings.snapshots / version, lambda ids: articles.keys_of(session, ids))

    def _tell(self, troubles: list[str]) -> None:
        trouble = " ".join(troubles) or None
        if trouble is not None and trouble != self.trouble:
            log.error("%s", trouble)
        self.trouble = trouble

    def _warn_of_other_encoders(self, model: Model) -> None:
        if changed := changed_encoders(model.encoders, self.encoders):
            log.warning(
                "version %s reads %s vectors of encoders that the settings do not name: articles that come now are "
                "without them until `recsys retrain`",
                model.version,
                " and ".join(changed),
            )


def _unsure(sessions: Sessions, new: Iterable[Model], catalogue: Catalogue) -> dict[str, Ints]:
    """By version, the articles to be indexed once more."""
    with sessions() as session:
        return {model.version: unsure(session, model, catalogue.present) for model in new}


def unsure(session: Session, model: Model, keys: Ints) -> Ints:
    """Those of the articles (n,) that may have been written or encoded after the model was trained.

    All of them where its training was on another database, or did not note how far it knew the catalogue.
    """
    change, article_id = model.metrics.get(CATALOGUE) or (0, None)
    if change == 0 or articles.changed_at(session, change) != article_id:
        return keys
    news = np.array(articles.changed_after(session, change), np.int64)
    known = np.isin(keys, model.views.learned.keys) & ~np.isin(keys, news)
    return keys[~known]


def index(session: Session, model: Model, keys: Ints) -> None:
    """Index articles (n,) by the vectors that the model's own encoders made of them, in one write.

    One of which the model makes something that is not a number cannot be searched for; the others can.
    """
    if len(keys) == 0:
        return
    towers, learned, content = model.views.towers, [], []
    for start in range(0, len(keys), BLOCK):
        block = keys[start : start + BLOCK]
        raw = load_content(session, model.encoders, block)
        learned.append(towers.item_vectors(raw, block)[0])
        content.append(towers.content_vectors(raw, block))
    made = (model.views.learned, np.concatenate(learned)), (model.views.content, np.concatenate(content))
    sound = np.logical_and.reduce([np.isfinite(vectors).all(axis=1) for _, vectors in made])
    for view, vectors in made:
        view.put(keys[sound], vectors[sound])
    if not sound.all():
        for view, _ in made:
            view.remove(keys[~sound])
        log.warning(
            "version %s makes no finite vectors of %d articles (keys %s ...), so they are found by other sources alone",
            model.version,
            len(keys) - sound.sum(),
            keys[~sound][:3].tolist(),
        )
