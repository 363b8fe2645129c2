"""Reader of MovieLens with posters, in the layout of 100K (``u.data``) or of the later sets (``ratings.csv``)."""

import csv
import re
from collections.abc import Iterator, Sequence
from math import isfinite
from pathlib import Path
from typing import Literal

from recsys.domain import Article, Click, RecsysError
from recsys.ingest.rows import Entry, Found, Record, Refusal, records

Titles = Literal["gtitle", "title", "noyear"]
Row = tuple[int, list[str] | None]  # number of the line, counted from 1, and its fields; None: they are not as expected

LIKED = 4.0  # stars from which a rating counts as a click
MOST_STARS = 5.0
GENRES = (
    "unknown", "Action", "Adventure", "Animation", "Children's", "Comedy", "Crime", "Documentary", "Drama", "Fantasy",
    "Film-Noir", "Horror", "Musical", "Mystery", "Romance", "Sci-Fi", "Thriller", "War", "Western",
)  # fmt: skip
NO_GENRE = ("", "unknown", "(no genres listed)")
FIRST_GENRE = 5  # field of u.item
YEAR = re.compile(r"\s*\(\d{4}\)\s*$")


def read(path: Path, *, titles: Titles = "gtitle") -> Iterator[Record]:
    """The records of ``rows`` alone."""
    return records(rows(path, titles=titles))


def rows(path: Path, *, titles: Titles = "gtitle") -> Iterator[Entry]:
    """Stream the films as articles, then the ratings as clicks: weight 1 from four stars up, below that 0 (only seen).

    Args:
        path: the folder of ``u.item`` and ``u.data``, or of ``movies.csv`` and ``ratings.csv``; the picture of a film
            is ``posters/<item>.jpg``.
        titles: "gtitle" is the title and the genres, "noyear" the same without the year, "title" the title alone.

    Raises:
        RecsysError: when files are missing, cannot be read, or lack a column.
    """
    if _holds(path, "u.item", "u.data"):
        yield from _films("u.item", _u_item(path / "u.item"), _posters(path), titles)
        yield from _ratings("u.data", _split(path / "u.data", "\t", 4))
    elif _holds(path, "movies.csv", "ratings.csv"):
        yield from _films(
            "movies.csv", _csv(path / "movies.csv", ("movieId", "title", "genres")), _posters(path), titles
        )
        yield from _ratings("ratings.csv", _csv(path / "ratings.csv", ("userId", "movieId", "rating", "timestamp")))
    else:
        raise RecsysError(
            f"{path} is not a MovieLens folder: expected are u.item and u.data, or movies.csv and ratings.csv, "
            "and pictures in posters/."
        )


def _films(file: str, rows_: Iterator[Row], posters: dict[str, str], titles: Titles) -> Iterator[Entry]:
    for number, fields in rows_:
        if fields is None:
            yield Refusal(file, number, "a film has too few fields")
            continue
        item, title, genre_text = fields
        genres = [genre for genre in genre_text.split("|") if genre not in NO_GENRE]
        text = _text(title.strip(), genres, titles)
        section = genres[0] if genres else None
        film = Article(item, text or None, section=section, language="en", image=posters.get(item))
        yield Found(file, number, film)


def _text(title: str, genres: Sequence[str], titles: Titles) -> str:
    if titles == "title":
        return title
    return " ".join([YEAR.sub("", title) if titles == "noyear" else title, *genres])


def _ratings(file: str, rows_: Iterator[Row]) -> Iterator[Entry]:
    for number, fields in rows_:
        yield Refusal(file, number, "a rating has too few fields") if fields is None else _click(file, number, fields)


def _click(file: str, number: int, fields: list[str]) -> Found | Refusal:
    user, item = fields[:2]
    try:
        stars, at = float(fields[2]), float(fields[3])
    except ValueError:
        return Refusal(file, number, "a rating or its time is not a number")
    if not (0 <= stars <= MOST_STARS and isfinite(at)):
        return Refusal(file, number, "a rating is not from 0 to 5, or its time is not finite")
    click = Click(f"{user}:{item}:{int(at)}", user, item, at, weight=1.0 if stars >= LIKED else 0.0)
    return Found(file, number, click)


def _holds(folder: Path, *names: str) -> bool:
    return all((folder / name).is_file() for name in names)


def _posters(folder: Path) -> dict[str, str]:
    """Paths of the posters by item, from one listing of the folder."""
    posters = folder.absolute() / "posters"
    return {file.stem: str(file) for file in posters.glob("*.jpg")}


def _u_item(file: Path) -> Iterator[Row]:
    """The films of ``u.item`` in the form of ``movies.csv``: item, title, genres joined by a bar."""
    for number, fields in _split(file, "|", FIRST_GENRE + len(GENRES)):
        flags = fields[FIRST_GENRE:] if fields else []
        genres = [genre for genre, flag in zip(GENRES, flags, strict=False) if flag == "1"]
        yield number, None if fields is None else [fields[0], fields[1], "|".join(genres)]


def _split(file: Path, separator: str, least: int) -> Iterator[Row]:
    for number, line in _lines(file, "latin-1"):
        fields = line.split(separator)
        yield number, fields if len(fields) >= least else None


def _csv(file: Path, columns: Sequence[str]) -> Iterator[Row]:
    """The named columns; each line stands alone, so that a stray quote spoils no more than its own."""
    places: list[int] = []
    for number, line in _lines(file, "utf-8-sig"):
        fields = _fields(line)
        if not places:
            places = _places(file, fields, columns)
        else:
            yield number, [fields[place] for place in places] if len(fields) > max(places) else None
    if not places:
        raise RecsysError(f"{file} is empty: expected is a header {','.join(columns)}.")


def _fields(line: str) -> list[str]:
    try:
        return next(csv.reader([line]))
    except csv.Error:  # a field beyond the limit of csv: this is not a line of a film or a rating
        return []


def _places(file: Path, header: list[str], columns: Sequence[str]) -> list[int]:
    missing = [column for column in columns if column not in header]
    if missing:
        raise RecsysError(f"{file} has no column {', '.join(missing)}; its first line must be {','.join(columns)}.")
    return [header.index(column) for column in columns]


def _lines(file: Path, encoding: str) -> Iterator[tuple[int, str]]:
    """Lines with their numbers, counted from 1; blank ones are passed over."""
    try:
        with file.open(encoding=encoding, errors="replace", newline="") as lines:
            for number, line in enumerate(lines, 1):
                if line.strip():
                    yield number, line.rstrip("\r\n")
    except OSError as error:
        raise RecsysError(f"{file} cannot be read: {error.strerror}.") from error
