"""The model of a generated newspaper: trained for seconds on a small one of the same clusters, indexing the large one.

What an answer costs depends on the shapes of the weights and on how many articles are indexed, not on how well it was
trained; that the vectors come from a training matters to the recall of an approximate index.
"""

import shutil
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import serving_catalogue
from serving_catalogue import Sizes
from serving_names import article_id

from recsys.database import articles, models
from recsys.database.session import open_sessions, writing
from recsys.domain import RecsysError
from recsys.lifecycle.train import train
from recsys.lifecycle.versions import new_version
from recsys.pipeline.load import CATALOGUE
from recsys.settings import Settings
from recsys.snapshots.snapshot import read_snapshot, write_snapshot

SMALL = Sizes(articles=1000, users=300, history=12, lists=6)


def there(settings: Settings) -> list[str]:
    """The versions that an earlier run made, none where they are of code that is too old."""
    sessions, names = open_sessions(settings), sorted(folder.name for folder in settings.snapshots.glob("*"))
    try:
        with sessions() as session:
            for name in names:
                read_snapshot(settings.snapshots / name, lambda ids: articles.keys_of(session, ids))
    except RecsysError:
        return []
    finally:
        sessions.kw["bind"].dispose()
    return names


def make(settings: Settings, sizes: Sizes, versions: int = 1) -> list[str]:
    """As many equal versions, of which the first is live; those of an earlier run, of older code perhaps, are gone."""
    shutil.rmtree(settings.snapshots, ignore_errors=True)
    with tempfile.TemporaryDirectory() as folder:
        small = settings.model_copy(update={"home": Path(folder)})
        version = _train_small(small, sizes)
        return _index_all(settings, sizes, small.snapshots / version, versions)


def _train_small(settings: Settings, sizes: Sizes) -> str:
    part = replace(SMALL, articles=min(SMALL.articles, sizes.articles), users=min(SMALL.users, sizes.users))
    serving_catalogue.write(settings, part, sizes.clusters)
    sessions = open_sessions(settings)
    model = train(sessions, settings)
    sessions.kw["bind"].dispose()
    return model.version


def _index_all(settings: Settings, sizes: Sizes, folder: Path, versions: int) -> list[str]:
    sessions = open_sessions(settings)
    with sessions() as session:
        model = read_snapshot(folder, lambda ids: articles.keys_of(session, ids))
    for keys in serving_catalogue.blocks(sizes):
        model.views.put(serving_catalogue.content(settings, sizes, keys), keys)
    with writing(sessions) as session:  # a catalogue that was written by other means than its own has none
        articles.record_changes(session, [1])
    with sessions() as session:  # as a training notes it: a start indexes no more than what changes from here on
        change = articles.last_change(session)
        known = {**model.metrics, CATALOGUE: [change, articles.changed_at(session, change)]}
    ids = {key: article_id(key) for key in range(1, sizes.articles + 1)}
    names = [f"{new_version()}-{number}" for number in range(versions)]
    for name in names:
        write_snapshot(replace(model, version=name, metrics=known), settings.snapshots / name, ids)
    with writing(sessions) as session:
        for name in names:
            models.add_version(session, version=name, at=time.time(), since=None, until=None, metrics={})
            session.flush()
        models.promote(session, names[0], time.time(), "generated")
    sessions.kw["bind"].dispose()
    return names
