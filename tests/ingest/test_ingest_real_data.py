"""The readers on real logs, where they are at hand: counts and seconds."""

import time
from pathlib import Path

import pytest

from recsys.database import stretches
from recsys.ingest.importer import import_path

DATA = Path(__file__).parents[2].parent / "shared" / "data"


def real(name: str) -> Path:
    if not (DATA / name).is_dir():
        pytest.skip(f"no real data in ../shared/data/{name}")
    return DATA / name


def test_ebnerd(sessions):
    path, started = real("ebnerd"), time.process_time()
    report = import_path(sessions, "ebnerd", path)
    assert time.process_time() - started < 60
    assert (report.refused, report.repaired) == ({}, {})
    assert (report.articles, report.impressions, report.clicks) == (20_738, 24_724, 24_888 + 258_318)
    # 59 lists name their click twice, and 49 clicks stand twice in a history
    assert report.new == {"articles": 20_738, "impressions": 24_724, "clicks": 24_888 - 59 + 258_318 - 49}
    with sessions() as session:
        log = stretches.read_log(session)
    assert len(log.impressions.items) == 278_139
    assert len(set(log.impressions.user)) == len(set(log.clicks.user)) == 1_590
    assert len(set(log.impressions.items)) == 2_478
    own = log.clicks.backfilled == 0
    assert (own.sum(), (log.clicks.impression[own] > 0).all()) == (24_829, True)
    assert set(log.clicks.known_at[~own]) == {1_684_393_200.0}  # 2023-05-18T07:00:00Z
    assert log.clicks.at[~own].max() < 1_684_393_200.0 <= log.impressions.known_at.min()


def test_movielens(sessions):
    path, started = real("movielens-posters"), time.process_time()
    report = import_path(sessions, "movielens", path)
    assert time.process_time() - started < 30
    assert (report.refused, report.articles, report.clicks) == ({}, 1_682, 100_000)
    with sessions() as session:
        clicks = stretches.read_log(session).clicks
    assert len(set(clicks.user)) == 943
    assert clicks.weight.sum() == 55_375


def test_mind(sessions):
    report = import_path(sessions, "mind", real("mind-sample"))
    assert (report.refused, report.repaired) == ({}, {})
    assert (report.articles, report.impressions, report.new["clicks"]) == (2_000, 300, report.clicks)
    with sessions() as session:
        log = stretches.read_log(session)
    own = log.clicks.backfilled == 0
    assert (own.sum(), (log.clicks.impression[own] > 0).all()) == (450, True)
    assert len(log.impressions.items) == 11_428
    assert report.unknown_articles > 5_000  # most ids that were shown or read have no row in this news.tsv
    assert log.clicks.known_at[~own].max() < log.impressions.known_at.min()
    assert log.clicks.at[~own].max() < log.clicks.known_at[~own].min()
