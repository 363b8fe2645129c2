"""A model is what its folder says: the same scores after writing and reading, in this database and in another."""

import json
from pathlib import Path

import made_world
import numpy as np
import pytest
from made_snapshots import answers, keys_in, read, vectors, version_of

from recsys.columns import NONE
from recsys.database import articles, events
from recsys.database.session import Sessions, open_sessions, upgrade, writing
from recsys.encoders import expected_ids
from recsys.settings import Settings
from recsys.snapshots.manifest import sha256
from recsys.snapshots.snapshot import write_snapshot


@pytest.fixture
def sessions(settings: Settings) -> Sessions:
    return made_world.install(settings)


def ids_of(sessions: Sessions) -> dict[int, str]:
    with sessions() as session:
        return dict(enumerate(articles.load_catalogue(session).article_ids))


def test_writing_and_reading_changes_no_bit_of_an_answer(
    settings: Settings, sessions: Sessions, tmp_path: Path
) -> None:
    model = read(settings.snapshots / version_of(settings), sessions)
    write_snapshot(model, tmp_path / "copy", ids_of(sessions))
    again = read(tmp_path / "copy", sessions)
    assert answers(again, sessions, settings) == answers(model, sessions, settings)
    for name, (learned, content) in vectors(model, sessions).items():
        np.testing.assert_array_equal(vectors(again, sessions)[name][0], learned)
        np.testing.assert_array_equal(vectors(again, sessions)[name][1], content)
    assert (again.version, again.since, again.until) == (model.version, model.since, model.until)
    assert (again.encoders, again.metrics) == (model.encoders, model.metrics)


def test_the_same_model_gives_the_same_files(settings: Settings, sessions: Sessions, tmp_path: Path) -> None:
    original = settings.snapshots / version_of(settings)
    write_snapshot(read(original, sessions), tmp_path / "copy", ids_of(sessions))
    copied = {path.name: sha256(path) for path in (tmp_path / "copy").iterdir()}
    assert copied["weights.safetensors"] == sha256(original / "weights.safetensors")
    assert set(copied) == {path.name for path in original.iterdir()}


def test_a_database_with_other_keys_gives_the_same_answers(
    settings: Settings, sessions: Sessions, tmp_path: Path
) -> None:
    other = elsewhere(tmp_path)
    mine, theirs = keys_in(sessions)(["a01", "a50"]), keys_in(other)(["a01", "a50"])
    assert mine != theirs
    folder = settings.snapshots / version_of(settings)
    here, there = read(folder, sessions), read(folder, other)
    for name, (learned, content) in vectors(here, sessions).items():
        np.testing.assert_array_equal(vectors(there, other)[name][0], learned)
        np.testing.assert_array_equal(vectors(there, other)[name][1], content)
    expected, found = answers(here, sessions, settings), answers(there, other, settings)
    for reader, items in expected.items():
        assert [name for name, _ in found[reader]] == [name for name, _ in items]
        assert [score for _, score in found[reader]] == [score for _, score in items]
    other.kw["bind"].dispose()


def elsewhere(tmp_path: Path) -> Sessions:
    """The made world in a database into which its articles came in the other order, after some others."""
    settings = Settings(home=tmp_path / "elsewhere", _env_file=None)
    upgrade(settings)
    opened = open_sessions(settings)
    catalogue = made_world.made_articles(tmp_path)
    with writing(opened) as session:
        articles.ensure_keys(session, ["x1", "x2", "x3"])
        articles.put_articles(session, catalogue[::-1])
        articles.delete_article(session, made_world.DELETED, made_world.END)
        made_world.put_vectors(session, catalogue, expected_ids(settings))
        lists, clicks = made_world.made_log()
        events.add_impressions(session, lists)
        events.add_clicks(session, clicks)
    return opened


def test_articles_that_a_database_does_not_know_are_left_out(settings: Settings, tmp_path: Path) -> None:
    made_world.install(settings)
    empty = Settings(home=tmp_path / "empty", _env_file=None)
    upgrade(empty)
    opened = open_sessions(empty)
    with writing(opened) as session:
        articles.ensure_keys(session, ["x1", "a02"])
    model = read(settings.snapshots / version_of(settings), opened)
    key = keys_in(opened)(["a02"])["a02"]
    assert model.views.learned.keys.tolist() == [key]
    assert model.views.content.keys.tolist() == [key]
    assert set(model.views.towers.id_keys.tolist()) <= {NONE, key}
    opened.kw["bind"].dispose()


def test_the_manifest_says_what_the_model_is(settings: Settings, sessions: Sessions) -> None:
    folder = settings.snapshots / version_of(settings)
    manifest, model = json.loads((folder / "manifest.json").read_text()), read(folder, sessions)
    assert manifest["version"] == folder.name
    assert manifest["encoders"] == expected_ids(settings)
    assert manifest["shape"]["dims"] == model.views.towers.content_space.dims
    assert manifest["shape"]["towers"]["dim"] == model.views.learned.dim
    assert manifest["until"] == made_world.SPLIT
    assert made_world.START <= manifest["since"] < manifest["until"]
    assert manifest["metrics"]["lists"] > 0
    files = {path.name: sha256(path) for path in folder.iterdir() if path.name != "manifest.json"}
    assert manifest["files"] == files
    assert set(files) == {"weights.safetensors", "learned.faiss", "content.faiss", "items.json"}


def test_nothing_in_the_folder_is_a_pickle(settings: Settings, sessions: Sessions) -> None:
    for path in (settings.snapshots / version_of(settings)).iterdir():
        beginning = path.read_bytes()[:2]
        assert beginning[:1] != b"\x80", path  # what pickles begin with
        assert beginning != b"PK", path  # and torch.save


def test_a_model_without_a_head_comes_back_without_one(settings: Settings, sessions: Sessions, tmp_path: Path) -> None:
    model = read(settings.snapshots / version_of(settings), sessions)
    model.heads = None
    write_snapshot(model, tmp_path / "headless", ids_of(sessions))
    again = read(tmp_path / "headless", sessions)
    assert again.heads is None
    assert answers(again, sessions, settings) == answers(model, sessions, settings)
