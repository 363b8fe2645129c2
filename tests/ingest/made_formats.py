"""Every format that there is a reader for: a good log in it, what spoils it, and what is to be found in both."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import pyarrow as pa
import pyarrow.parquet as pq
from made_logs import WEEK, write_ebnerd, write_mind, write_movielens, write_table


class Write(Protocol):
    """Write a log into a folder: events that many ``times``, and articles each ``longer`` by some characters."""

    def __call__(self, folder: Path, times: int = 1, articles: int = ..., longer: int = 0) -> Path: ...


@dataclass(frozen=True)
class Format:
    """A reader, how to write a good log and spoil it, and what is to be found in both."""

    name: str
    kind: str
    write: Write
    good: dict[str, int]
    spoil: Callable[[Path], None]
    refused: dict[str, int]
    repaired: int = 0

    def __str__(self) -> str:
        return self.name


def change(file: Path, **columns: list[Any]) -> None:
    """Overwrite the first cells of columns of a Parquet file."""
    table = pq.read_table(file)
    for name, cells in columns.items():
        old = table[name].to_pylist()
        place = table.schema.names.index(name)
        table = table.set_column(place, name, pa.array(cells + old[len(cells) :]))
    pq.write_table(table, file)


def append(file: Path, *lines: str) -> None:
    """Add lines to a text file."""
    with file.open("ab") as content:
        content.writelines(line.encode("latin-1") + b"\n" for line in lines)


def spoil_ebnerd(folder: Path) -> None:
    shown = pq.read_table(folder / "train/behaviors.parquet")["article_ids_inview"].to_pylist()
    change(
        folder / "train/behaviors.parquet",
        user_id=[None],
        article_ids_inview=[shown[0], [], shown[2] * 2],
        article_ids_clicked=[[1], [1], [shown[2][0]], [999]],
    )
    times = pq.read_table(folder / "train/history.parquet")["impression_time_fixed"].to_pylist()
    change(folder / "train/history.parquet", impression_time_fixed=[times[0][1:], [None, *times[1][1:]]])


def spoil_movielens(folder: Path) -> None:
    ratings = "1\t2\t3", "", "1\t2\tfive\t881250949", "1\t2\t77\t881250949", "1\t2\t5\tnan", "\t2\t5\t9", "1\t2\t5\t-9"
    append(folder / "u.data", *ratings)
    append(folder / "u.item", "99|Half a line")


def spoil_mind(folder: Path) -> None:
    append(
        folder / "news.tsv", "N99\tsports\tsoccer", "\tsports\tsoccer\tA title\tMore", "N98\tsports\tsoccer\t\xe9\tM"
    )
    append(
        folder / "behaviors.tsv",
        "901\tU1\t5/18/2023 8:00:00 AM\t",
        "902\tU1\t13/18/2023 8:00:00 AM\tN1\tN1-0",
        "903\tU1\t5/18/2023 9:00:00 AM\tN1\tN1-0 N2",
        "904\tU1\t5/18/2023 9:00:00 AM\tN1\tN1 N2",
        "905\tU1\t5/18/2023 9:00:00 AM\tN1\t",
        "906\t\t5/18/2023 9:00:00 AM\tN1\tN1-0",
        "907\tU1\t5/18/2023 9:00:00 AM\t\tN1-0 N1-0",
    )


def spoil_parquet(folder: Path) -> None:
    change(folder / "articles.parquet", article_id=["x" * 129, None])
    change(folder / "impressions.parquet", items=[[], ["a", None], ["a", "a", "b"], None])
    change(
        folder / "clicks.parquet",
        known_at=[WEEK - 1],
        at=[WEEK, float("inf"), 1.6e12, -5.0],
        event_id=["c0", "c1", "c2", "c3", ""],
    )


def spoil_csv(folder: Path) -> None:
    more = ",,,,,"
    append(folder / "articles.csv", "x" * 129 + more, more, '"b,c' + more, '"b"c' + more, "few", "m,o,r,e,f,i,e,l,d,s")
    append(folder / "articles.csv", "a\xe9,,,,,")
    append(folder / "impressions.csv", "i900,u1,5,[],", 'i901,u1,5,"[""a"", null]",', "i902,u1,5,a a b,", "i903,u1,5,,")
    append(folder / "clicks.csv", "e1,u,a,9,5,", "e2,u,a,inf,,", "e3,u,a,1.6e12,,", "e4,u,a,-5,,", ",u,a,5,,")
    append(folder / "clicks.csv", "c0,u0,a0,2023-05-18T08:00:00Z,,", "c1,u1,a9,5,,", "e9,u,a,4000000000,,")


def spoil_jsonlines(folder: Path) -> None:
    append(folder / "articles.jsonl", '{"article_id": "' + "x" * 129 + '"}', "{}", "{", "[1]", '{"article_id": "\xe9"}')
    event = '{"impression_id": "i90%d", "user_id": "u1", "at": 5, "items": %s}'
    append(folder / "impressions.jsonl", event % (0, "[]"), event % (1, '["a", null]'), event % (2, '["a", "a", "b"]'))
    append(folder / "impressions.jsonl", event % (3, "null"), event % (4, '[{"id": 1}]'))
    click = '{"event_id": "%s", "user_id": "u", "article_id": "%s", "at": %s, "known_at": %s}'
    append(folder / "clicks.jsonl", click % ("e1", "a", 9, 5), click % ("e2", "a", "1e999", 5), "", " ")
    append(folder / "clicks.jsonl", click % ("e3", "a", "1.6e12", 1.6e12), click % ("e4", "a", -5, 5))
    append(folder / "clicks.jsonl", click % ("", "a", 5, 5), click % ("c1", "a9", 5, 5), click % ("e9", "a", 4e9, 4e9))


EVENTS_OF_TABLES = {
    "the list is empty": 1,
    "an article of the list has no id of 1 to 128 characters": 1,
    "items is missing": 1,
    "known_at is before at": 1,
    "at is not a time": 1,
    "a time is after 2200 (seconds are expected, not milliseconds)": 1,
    "a time is before 1970": 1,
    "event_id is missing": 1,
    "article_id is not 1 to 128 characters": 1,
    "article_id is missing": 1,
}
WRITTEN = {
    **EVENTS_OF_TABLES,
    "another event with this id came first": 1,
    "the time is more than a day in the future: check the clock and the time zone": 1,
    "the line is not UTF-8 text: save the file as UTF-8": 1,
}
TABLE = {"articles": 30, "impressions": 60, "clicks": 100}
FORMATS = [
    Format(
        "ebnerd", "ebnerd", write_ebnerd, {"articles": 40, "impressions": 120, "clicks": 200}, spoil_ebnerd,
        {
            "user_id is missing": 1,
            "article_ids_inview is empty or has gaps": 1,
            "the clicked article is not in its list": 1,
            "the lists of the history are not of one length": 1,
            "a click of the history has no time or no article": 1,
        },
        repaired=1,
    ),
    Format(
        "movielens", "movielens", write_movielens, {"articles": 40, "impressions": 0, "clicks": 200}, spoil_movielens,
        {
            "a film has too few fields": 1,
            "a rating has too few fields": 1,
            "a rating or its time is not a number": 1,
            "a rating is not from 0 to 5, or its time is not finite": 2,
            "user_id is not 1 to 128 characters": 1,
            "a time is before 1970": 1,
        },
    ),
    Format(
        "mind", "mind", write_mind, {"articles": 40, "impressions": 120, "clicks": 208}, spoil_mind,
        {
            "the row has too few fields": 2,
            "news_id is missing": 1,
            "the line is not UTF-8 text: save the file as UTF-8": 1,
            "time is not a time": 1,
            "some articles of the list have a label (N1-0, N1-1) and some have none": 1,
            "the list has no labels: what was clicked in it is not known": 1,
            "the list is empty": 1,
            "user_id is missing": 1,
        },
        repaired=1,
    ),
    Format("parquet", "table", write_table, TABLE, spoil_parquet, EVENTS_OF_TABLES, repaired=1),
    Format(
        "csv", "table", partial(write_table, ending=".csv"), TABLE, spoil_csv,
        {
            **WRITTEN,
            "a quote is opened and not closed": 1,
            "a quote is not closed, or stands within a quoted text without being doubled": 1,
            "the row has fewer fields than the first line has names": 1,
            "the row has more fields than the first line has names": 1,
        },
        repaired=1,
    ),
    Format(
        "jsonl", "table", partial(write_table, ending=".jsonl"), TABLE, spoil_jsonlines,
        {
            **WRITTEN,
            "the line is not JSON": 1,
            "the line is not a JSON object": 1,
            "items is not a list of texts": 1,
        },
        repaired=1,
    ),
]  # fmt: skip
