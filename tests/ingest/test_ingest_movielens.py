"""MovieLens: both layouts, what a rating means, and files that are not as they should be."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_logs import bare, write_movielens

from recsys.domain import Article, Click, RecsysError
from recsys.ingest.movielens import rows
from recsys.ingest.rows import Refusal


def read(path: Path, **options: Any) -> Any:
    return bare(rows(path, **options))


MOVIES = (
    "movieId,title,genres\n"
    "1,Toy Story (1995),Adventure|Animation\n"
    '11,"American President, The (1995)",Comedy|Drama\n'
    "12,Nothing known,(no genres listed)\n"
)
RATINGS = "userId,movieId,rating,timestamp\n1,11,4.0,964982703\n1,12,3.5,964981247\n2,1,4.5,964982224\n"


@pytest.fixture
def latest(tmp_path):
    (tmp_path / "movies.csv").write_text(MOVIES)
    (tmp_path / "ratings.csv").write_text(RATINGS)
    (tmp_path / "posters").mkdir()
    (tmp_path / "posters" / "11.jpg").write_bytes(b"")
    return tmp_path


def test_the_later_layout(latest):
    assert list(read(latest)) == [
        Article("1", "Toy Story (1995) Adventure Animation", section="Adventure", language="en"),
        Article(
            "11", "American President, The (1995) Comedy Drama", section="Comedy", language="en",
            image=str(latest / "posters" / "11.jpg"),
        ),
        Article("12", "Nothing known", language="en"),
        Click("1:11:964982703", "1", "11", 964982703.0),
        Click("1:12:964981247", "1", "12", 964981247.0, weight=0.0),
        Click("2:1:964982224", "2", "1", 964982224.0),
    ]  # fmt: skip


def test_the_layout_of_100k(tmp_path):
    records = list(read(write_movielens(tmp_path)))
    assert records[0] == Article("1", "Café 1 (1951) Adventure Western", section="Adventure", language="en")
    assert records[2].image == str(tmp_path / "posters" / "3.jpg")
    assert records[40:44] == [
        Click(f"{n}:{n + 1}:{881250949 + n}", str(n), str(n + 1), 881250949.0 + n, weight=float(n >= 3))
        for n in range(4)
    ]


@pytest.mark.parametrize(
    ("titles", "expected"),
    [
        ("gtitle", "Toy Story (1995) Adventure Animation"),
        ("title", "Toy Story (1995)"),
        ("noyear", "Toy Story Adventure Animation"),
    ],
)
def test_titles(latest, titles, expected):
    assert next(read(latest, titles=titles)).title == expected


def test_lines_that_are_no_ratings_are_refused_by_line(latest):
    with (latest / "ratings.csv").open("a") as file:
        file.write('1,2\n\n1,2,"x,9\n1,12,9,9\n3,12,5,964982703\n')
    *_, short, text, stars, good = read(latest)
    assert short == Refusal("ratings.csv", 5, "a rating has too few fields")
    assert text == Refusal("ratings.csv", 7, "a rating has too few fields")
    assert stars == Refusal("ratings.csv", 8, "a rating is not from 0 to 5, or its time is not finite")
    assert good == Click("3:12:964982703", "3", "12", 964982703.0)


def test_columns_may_stand_in_another_order_behind_a_byte_order_mark(latest):
    (latest / "ratings.csv").write_text("\ufefftimestamp,rating,movieId,userId\n7,5,1,ann\n", "utf-8")
    assert list(read(latest))[-1] == Click("ann:1:7", "ann", "1", 7.0)


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("ratings.csv", "userId,movieId,stars,timestamp\n", "no column rating"),
        ("movies.csv", "", "is empty"),
        ("movies.csv", "a" * 200_000, "no column movieId, title, genres"),
    ],
)
def test_a_header_that_is_not_right_is_explained(latest, file, content, message):
    (latest / file).write_text(content)
    with pytest.raises(RecsysError, match=message):
        list(read(latest))


def test_a_file_that_is_missing_is_named(tmp_path):
    write_movielens(tmp_path)
    (tmp_path / "u.item").unlink()
    with pytest.raises(RecsysError, match=r"expected are u\.item and u\.data"):
        next(read(tmp_path))


@given(films=st.binary(max_size=200), ratings=st.binary(max_size=200))
def test_any_bytes_give_records_or_refusals(films, ratings, tmp_path_factory):
    folder = tmp_path_factory.mktemp("any")
    (folder / "u.item").write_bytes(films)
    (folder / "u.data").write_bytes(ratings)
    (folder / "movies.csv").write_bytes(MOVIES.encode() + films)
    (folder / "ratings.csv").write_bytes(RATINGS.encode() + ratings)
    assert all(isinstance(record, Article | Click | Refusal) for record in read(folder))
    (folder / "u.data").unlink()
    assert all(isinstance(record, Article | Click | Refusal) for record in read(folder))
