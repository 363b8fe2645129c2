"""Recommendations for everybody: what each reader would be answered alone, in one file, and nothing remembered."""

import json
from pathlib import Path
from typing import Any

import made_world
import numpy as np
import pyarrow.parquet as pq
import pytest
from made_world import NOBODY, NOW
from serving_site import Site
from sqlalchemy import func, select

from recsys.database import logins
from recsys.database.session import Sessions, writing
from recsys.database.tables import ImpressionRow, ServedRow, UserRow
from recsys.domain import NotReadyError, Recommendation
from recsys.encoders import expected_ids
from recsys.serving import export_recommendations as module
from recsys.serving.export_recommendations import COLUMNS, export_recommendations
from recsys.serving.live import Live
from recsys.settings import Settings

EVERYBODY = [made_world.user_id(number) for number in range(1, made_world.USERS + 1)]

Rows = list[dict[str, Any]]


def exported(site: Site, path: Path, live: Live | None = None, limit: int = 10, users: list[str] | None = None) -> Rows:
    """The rows of the file, for the present of the made world."""
    told: list[tuple[int, int]] = []
    count = export_recommendations(
        site.sessions, site.settings, live or site.live(), path, limit=limit, at=NOW, user_ids=users,
        progress=lambda *counts: told.append(counts),
    )  # fmt: skip
    rows: Rows = (
        pq.read_table(path).to_pylist()
        if path.suffix == ".parquet"
        else [json.loads(line) for line in path.read_text().splitlines()]
    )
    assert len(rows) == count
    assert told[-1][0] == told[-1][1] == len({row["user_id"] for row in rows})
    return rows


def assert_same_answer(rows: Rows, expected: list[Recommendation], version: str) -> None:
    """Item by item; larger products round otherwise, so scores may differ by that and such equals change places."""
    assert [row["position"] for row in rows] == [item.position for item in expected]
    scores = np.array([item.score for item in expected])
    np.testing.assert_allclose([row["score"] for row in rows], scores, atol=1e-4)
    assert {row["model_version"] for row in rows} == {version}
    by_id = {item.article_id: item for item in expected}
    assert by_id.keys() == {row["article_id"] for row in rows}
    for row, item in zip(rows, expected, strict=True):
        assert row["article_id"] == item.article_id or abs(by_id[row["article_id"]].score - item.score) < 1e-5
        assert (row["title"], row["source"]) == (by_id[row["article_id"]].title, by_id[row["article_id"]].source)


def of_user(rows: Rows, user_id: str) -> Rows:
    return [row for row in rows if row["user_id"] == user_id]


@pytest.mark.parametrize("at_once", [7, 64])
def test_each_reader_gets_what_a_request_of_theirs_would(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at_once: int
) -> None:
    monkeypatch.setattr(module, "AT_ONCE", at_once)
    live = site.live()
    rows, recommender = exported(site, tmp_path / "letters.parquet", live), site.recommender(live)
    assert {row["user_id"] for row in rows} == set(EVERYBODY)
    for user in EVERYBODY:
        expected = recommender.recommend(user, at=NOW, log=False)
        assert_same_answer(of_user(rows, user), expected.items, expected.model_version)
    assert len({tuple(row["article_id"] for row in of_user(rows, user)) for user in EVERYBODY}) > 20


def test_a_model_without_a_head(site: Site, tmp_path: Path) -> None:
    site.add_version("headless", heads=False)
    site.promote("headless")
    live = site.live()
    rows, recommender = exported(site, tmp_path / "letters.jsonl", live, limit=5), site.recommender(live)
    for user in EVERYBODY[::5]:
        assert_same_answer(
            of_user(rows, user), recommender.recommend(user, limit=5, at=NOW, log=False).items, "headless"
        )


def test_readers_by_name_known_or_not(site: Site, tmp_path: Path) -> None:
    live, named = site.live(), ["u03", NOBODY, "u01"]
    rows, recommender = exported(site, tmp_path / "letters.jsonl", live, limit=3, users=named), site.recommender(live)
    assert [row["user_id"] for row in rows] == [user for user in named for _ in range(3)]
    for user in named:
        assert_same_answer(
            of_user(rows, user), recommender.recommend(user, limit=3, at=NOW, log=False).items, site.trained
        )


def test_a_reader_who_logged_in_is_answered_once(site: Site, tmp_path: Path) -> None:
    site.click("anonymous", "a79", NOW - 60)
    with writing(site.sessions) as session:
        logins.merge(session, "anonymous", "u01")
    live = site.live()
    rows = exported(site, tmp_path / "letters.jsonl", live)
    assert {row["user_id"] for row in rows} == set(EVERYBODY)
    renamed = exported(site, tmp_path / "letters.parquet", live, users=["anonymous"])
    assert [row["article_id"] for row in renamed] == [row["article_id"] for row in of_user(rows, "u01")]
    assert "a79" not in {row["article_id"] for row in renamed}


def test_both_formats_hold_the_same(site: Site, tmp_path: Path) -> None:
    live = site.live()
    parquet = exported(site, tmp_path / "letters.parquet", live, users=EVERYBODY[:9])
    assert parquet == exported(site, tmp_path / "letters.jsonl", live, users=EVERYBODY[:9])
    assert list(parquet[0]) == COLUMNS.names


def test_nothing_is_remembered_as_served(site: Site, tmp_path: Path) -> None:
    seen = Site(site.settings.model_copy(update={"served_is_seen": True}), site.sessions)
    with site.sessions() as session:
        before = [session.scalar(select(func.count()).select_from(row)) for row in (ServedRow, ImpressionRow, UserRow)]
    exported(seen, tmp_path / "letters.parquet", users=[*EVERYBODY[:5], NOBODY])
    with site.sessions() as session:
        after = [session.scalar(select(func.count()).select_from(row)) for row in (ServedRow, ImpressionRow, UserRow)]
    assert after == before


def test_what_has_just_been_deleted_is_replaced_for_everybody(site: Site, tmp_path: Path) -> None:
    live = site.live()  # does not hear of it
    first = exported(site, tmp_path / "before.parquet", live)
    most_sent = max({row["article_id"] for row in first}, key=[row["article_id"] for row in first].count)
    site.delete(most_sent)
    rows = exported(site, tmp_path / "after.parquet", live)
    assert most_sent not in {row["article_id"] for row in rows}
    assert all(len(of_user(rows, user)) == 10 for user in EVERYBODY)
    for user in EVERYBODY[:10]:
        expected = site.recommender(live).recommend(user, at=NOW, log=False)
        assert_same_answer(of_user(rows, user), expected.items, expected.model_version)


def test_without_a_model_it_says_what_to_do_and_leaves_nothing(
    settings: Settings, sessions: Sessions, tmp_path: Path
) -> None:
    live = Live(sessions, settings, expected_ids(settings))
    path = tmp_path / "letters.parquet"
    with pytest.raises(NotReadyError, match="recsys train"):
        export_recommendations(sessions, settings, live, path, limit=10, progress=lambda _done, _total: None)
    assert not path.exists()
