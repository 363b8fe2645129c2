"""EB-NeRD's demo week as the fold meets it: imported by its reader, and read back from the database."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from recsys.columns import EventLog
from recsys.database import articles, stretches
from recsys.database.session import Sessions, open_sessions, upgrade
from recsys.features.examples import Examples
from recsys.features.features import Attributes, attributes_of
from recsys.features.replay import Replay
from recsys.features.state import TASTE, ArticleState
from recsys.ingest.importer import import_path
from recsys.settings import Settings

FOLDER = Path(__file__).parents[3] / "shared" / "data" / "ebnerd"


@dataclass(frozen=True)
class Stored:
    """The log, and what one replay of all of it gives."""

    sessions: Sessions
    log: EventLog
    attributes: Attributes
    users: int
    examples: Examples
    state: ArticleState

    def begun(self, **options: float) -> Replay:
        return Replay(self.attributes, self.users, **options)


def stored(home: Path) -> Stored:
    """Import the week; signatures of titles are random, since nothing here depends on what a title says."""
    settings = Settings(home=home, database_url="", _env_file=None)
    upgrade(settings)
    sessions = open_sessions(settings)
    import_path(sessions, "ebnerd", FOLDER)
    with sessions() as session:
        catalogue, log = articles.load_catalogue(session), stretches.read_log(session)
    signatures = np.random.default_rng(0).standard_normal((len(catalogue), TASTE)).astype(np.float32)
    attributes = attributes_of(catalogue, signatures)
    users = int(max(log.impressions.user.max(), log.clicks.user.max())) + 1
    replay = Replay(attributes, users)
    examples = replay.run(log)
    return Stored(sessions, log, attributes, users, examples, replay.state)


def same_bits(found: Sequence[Examples], expected: Examples, lists: slice) -> bool:
    """Whether ``found``, one after the other, begin with those lists of ``expected``, labels aside."""
    first, last, _ = lists.indices(len(expected))
    rows = slice(expected.offsets[first], expected.offsets[last])
    for name in ("keys", "shown", "features"):
        if not _begins(found, name, getattr(expected, name)[rows]):
            return False
    return all(_begins(found, name, getattr(expected, name)[lists]) for name in ("position", "history", "history_at"))


def _begins(found: Sequence[Examples], name: str, expected: np.ndarray) -> bool:
    joined = np.concatenate([getattr(part, name) for part in found])[: len(expected)]
    return joined.tobytes() == expected.tobytes()
