"""Whatever a file holds, its rows become records or refusals, never a traceback."""

import csv
import json
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from any_columns import ANYTHING, EXPECTED, IDS, anything, files, save
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from recsys.domain import RecsysError
from recsys.ingest import cells, ebnerd
from recsys.ingest.importer import ImportReport, import_path, read_rows
from recsys.ingest.table import TABLES

ANY = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
READ = settings(max_examples=100, deadline=None)
CONVERTERS = {
    "texts": cells.texts,
    "pictures": cells.pictures,
    "numbers": cells.numbers,
    "flags": cells.flags,
    "times": partial(cells.times, timezone="Europe/Copenhagen"),
    "lists": partial(cells.lists, convert=cells.texts),
    "time lists": partial(cells.lists, convert=partial(cells.times, timezone="UTC")),
}
TORN = st.lists(
    st.sampled_from([b'"', b",", b"\t", b"\n", b"\r\n", b"a", b"5", b"[", b"{", b"\xff", b"\0", b" ", b":"])
)
BYTES = st.binary(max_size=200) | TORN.map(b"".join)


@pytest.mark.parametrize("convert", CONVERTERS.values(), ids=CONVERTERS)
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_any_column_gives_a_value_or_a_bad_cell_per_row(convert, data):
    column = data.draw(anything(data.draw(st.integers(0, 4))) | st.lists(ANYTHING, max_size=4))
    found = convert(column)
    assert len(found.values) == len(column)
    assert all(0 <= row < len(column) and present(column[row]) for row in found.bad)
    assert all(found.values[row] is None for row in found.bad)


@ANY
@given(data=st.data(), timezone=st.sampled_from(["UTC", "Europe/Copenhagen"]))
def test_any_parquet_table_gives_records_or_refusals(data, timezone, tmp_path_factory, sessions):
    folder = tmp_path_factory.mktemp("any")
    rows = sum(
        save(data.draw(files(columns.required, columns.optional)), folder / f"{name}.parquet")
        for name, columns in TABLES.items()
    )
    assert judged(import_path(sessions, "table", folder, timezone=timezone)) == rows


@ANY
@given(data=st.data(), ending=st.sampled_from([".csv", ".tsv", ".jsonl"]))
def test_any_written_table_gives_records_or_refusals(data, ending, tmp_path_factory, sessions):
    folder = tmp_path_factory.mktemp("any")
    for name, columns in TABLES.items():
        names = [*columns.required, *data.draw(st.lists(st.sampled_from(columns.optional), unique=True, max_size=4))]
        rows = [{column: data.draw(cell(column, ending)) for column in names} for _ in range(3)]
        write(folder / (name + ending), rows)
    assert judged(import_path(sessions, "table", folder)) == 3 * len(TABLES)


@ANY
@given(data=st.data())
def test_any_ebnerd_gives_records_or_refusals(data, tmp_path_factory, sessions):
    folder = tmp_path_factory.mktemp("any")
    context = ("read_time", "article_id", "device_type", "is_subscriber")
    rows = save(data.draw(files(("article_id",), ebnerd.ARTICLE_COLUMNS)), folder / "articles.parquet")
    rows += save(data.draw(files(ebnerd.BEHAVIOR_COLUMNS, context)), folder / "train" / "behaviors.parquet")
    rows += save(data.draw(files(ebnerd.HISTORY_COLUMNS, ("read_time_fixed",))), folder / "train" / "history.parquet")
    assert judged(import_path(sessions, "ebnerd", folder)) >= rows


@ANY
@given(news=st.lists(st.lists(st.text(max_size=9), max_size=9)), lists=st.lists(st.tuples(st.text(), st.text())))
def test_any_mind_gives_records_or_refusals(news, lists, tmp_path_factory, sessions):
    folder = tmp_path_factory.mktemp("any")
    told = [(str(number), "u", "11/13/2019 8:36:57 AM", *fields) for number, fields in enumerate(lists)]
    for name, rows in (("news.tsv", news), ("behaviors.tsv", told)):
        (folder / name).write_bytes("\n".join("\t".join(row) for row in rows).encode("utf-8", "surrogatepass"))
    report = import_path(sessions, "mind", folder)
    assert report.impressions <= len(told)
    assert judged(report) >= sum(line.strip() != b"" for line in (folder / "behaviors.tsv").read_bytes().split(b"\n"))


@pytest.mark.parametrize(
    ("kind", "name", "header"),
    [
        ("table", "articles.csv", b""),
        ("table", "articles.csv", b"article_id,title\n"),
        ("table", "articles.tsv", b"\xef\xbb\xbfarticle_id\ttitle\r\n"),
        ("table", "impressions.csv", b"impression_id,user_id,at,items\n"),
        ("table", "articles.jsonl", b'{"article_id": 5}\n'),
        ("table", "articles.csv.gz", b""),
        ("table", "articles.parquet", b"PAR1"),
        ("mind", "behaviors.tsv", b"1\tu\t11/13/2019 8:36:57 AM\tN1 N2\tN3-0 N4-1\n"),
        ("mind", "news.tsv", b"N1\tnews\tworld\tA title\tMore\n"),
    ],
)
@READ
@given(content=BYTES)
def test_any_bytes_give_records_or_refusals_or_a_sentence(kind, name, header, content, tmp_path_factory):
    folder = tmp_path_factory.mktemp("any")
    (folder / "behaviors.tsv").write_bytes(b"")
    (folder / name).write_bytes(header + content)
    try:
        entries = list(read_rows(kind, folder))
    except RecsysError:
        return
    lines = (header + content).count(b"\n") + 1
    assert all(entry.file.endswith(name) and 1 <= entry.row <= lines for entry in entries)


def judged(report: ImportReport) -> int:
    return report.articles + report.impressions + report.clicks + sum(report.refused.values())


def present(value: Any) -> bool:
    return value is not None and (not hasattr(value, "is_valid") or value.is_valid)


def cell(name: str, ending: str) -> st.SearchStrategy[Any]:
    """Mostly what is expected in a column, sometimes any value that the format can hold."""
    expected = EXPECTED.get(name, IDS)[1]
    if ending == ".jsonl":
        return expected | ANYTHING
    return expected.map(lambda value: " ".join(value) if isinstance(value, list) else str(value)) | st.text()


def write(file: Path, rows: list[dict[str, Any]]) -> None:
    with file.open("w", encoding="utf-8", errors="surrogatepass", newline="") as content:
        if file.suffix == ".jsonl":
            content.writelines(json.dumps(row) + "\n" for row in rows)
        else:
            delimiter = "\t" if file.suffix == ".tsv" else ","
            table = csv.DictWriter(content, list(rows[0]), delimiter=delimiter, quoting=csv.QUOTE_ALL)
            table.writeheader()
            table.writerows(rows)
