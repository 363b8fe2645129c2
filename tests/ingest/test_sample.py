"""The synthetic sample: the same seed writes the same, it reads like news, and what is planted can be found in it."""

import hashlib
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image, UnidentifiedImageError

from recsys.database.session import Sessions
from recsys.domain import RecsysError
from recsys.ingest.importer import import_path
from recsys.ingest.sample import write_sample
from recsys.ingest.sample_world.readers import simulate
from recsys.ingest.sample_world.world import effects, make_world
from recsys.settings import bundled

SMALL = {"articles": 60, "readers": 80, "impressions": 600, "days": 4}
MOST_BYTES = 8_000_000


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sample")
    write_sample(folder, seed=3, **SMALL)
    return folder


def rows(folder: Path, name: str) -> list[dict[str, object]]:
    return pq.read_table(folder / f"{name}.parquet").to_pylist()


def pixels(folder: Path) -> dict[str, str]:
    found = {}
    for path in sorted((folder / "pictures").iterdir()):
        try:
            found[path.name] = hashlib.sha256(Image.open(path).convert("RGB").tobytes()).hexdigest()
        except (UnidentifiedImageError, OSError):
            found[path.name] = "broken"
    return found


def test_the_same_seed_writes_the_same_rows_and_pixels(small: Path, tmp_path: Path) -> None:
    write_sample(tmp_path, seed=3, **SMALL)
    assert all(rows(small, name) == rows(tmp_path, name) for name in ("articles", "impressions", "clicks"))
    assert pixels(small) == pixels(tmp_path)


def test_another_seed_writes_another_world(small: Path, tmp_path: Path) -> None:
    write_sample(tmp_path, seed=4, **SMALL)
    assert rows(small, "impressions") != rows(tmp_path, "impressions")


def test_nothing_is_shown_before_it_is_published_and_nothing_is_clicked_that_was_not_shown(small: Path) -> None:
    published = {row["article_id"]: row["published_at"] for row in rows(small, "articles")}
    lists = {row["impression_id"]: row for row in rows(small, "impressions")}
    assert all(published[item] <= row["at"] for row in lists.values() for item in row["items"])
    clicks = rows(small, "clicks")
    assert clicks
    assert all(click["article_id"] in lists[click["impression_id"]]["items"] for click in clicks)
    assert all(click["at"] > lists[click["impression_id"]]["at"] for click in clicks)


def test_the_bundled_sample_is_what_the_readme_says() -> None:
    folder = bundled("sample")
    articles, impressions, clicks = (rows(folder, name) for name in ("articles", "impressions", "clicks"))
    titles = [row["title"] for row in articles]
    assert len(articles) >= 600
    assert len({row["section"] for row in articles}) == 12
    assert len(set(titles)) == len(titles)
    assert np.median([len(str(title).split()) for title in titles]) >= 5
    assert len({row["user_id"] for row in impressions}) == 2000
    empty = 1 - len({row["impression_id"] for row in clicks}) / len(impressions)
    assert 0.3 < empty < 0.6
    assert sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) <= MOST_BYTES
    states = list(pixels(folder).values())
    assert 0 < states.count("broken") <= 10
    assert 0 < sum(row["image"] is None for row in articles) < len(articles) / 10


def test_the_first_place_is_clicked_more_than_the_last(small: Path) -> None:
    impressions = rows(bundled("sample"), "impressions")
    clicked = {(row["impression_id"], row["article_id"]) for row in rows(bundled("sample"), "clicks")}
    first = np.mean([(row["impression_id"], row["items"][0]) in clicked for row in impressions])
    last = np.mean([(row["impression_id"], row["items"][-1]) in clicked for row in impressions])
    assert first > 1.5 * last


def test_the_table_reader_takes_all_of_it(small: Path, sessions: Sessions) -> None:
    report = import_path(sessions, "table", small)
    assert report.refused == {}
    assert report.articles == len(rows(small, "articles"))
    assert report.clicks == len(rows(small, "clicks"))


@pytest.mark.parametrize("sizes", [{"articles": 0}, {"readers": 0}, {"days": 0}])
def test_impossible_sizes_are_refused(sizes: dict[str, int], tmp_path: Path) -> None:
    with pytest.raises(RecsysError):
        write_sample(tmp_path, seed=1, **{**SMALL, **sizes})


def test_what_is_clicked_stands_out_from_its_list_in_every_planted_effect() -> None:
    world = make_world(3, articles=240, readers=300, impressions=4000, days=7)
    row_of = {article.article_id: row for row, article in enumerate(world.articles)}
    log = simulate(world)
    lists = {shown.impression_id: shown for shown in log.impressions}
    lead: dict[str, list[float]] = {name: [] for name in ("title", "picture", "freshness", "popularity", "paywall")}
    for click in log.clicks:
        shown = lists[click.impression_id or ""]
        planted = effects(world, int(shown.user_id[1:]) - 1, shown.at, np.array([row_of[item] for item in shown.items]))
        for name, values in lead.items():
            added = getattr(planted, name)
            values.append(added[shown.items.index(click.article_id)] - added.mean())
    t_values = {name: np.mean(values) / (np.std(values) / np.sqrt(len(values))) for name, values in lead.items()}
    assert all(t > 3 for t in t_values.values()), t_values
    assert max(lead, key=lambda name: float(np.mean(lead[name]))) == "title"
