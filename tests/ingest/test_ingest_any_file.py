"""Whatever the columns of a file hold, its rows become records or refusals, never a traceback."""

from functools import partial

import pytest
from any_columns import anything, files, save
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from recsys.ingest import cells, ebnerd, table
from recsys.ingest.importer import import_path

ANY = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
CONVERTERS = {
    "texts": cells.texts,
    "numbers": cells.numbers,
    "flags": cells.flags,
    "times": partial(cells.times, timezone="Europe/Copenhagen"),
    "lists": partial(cells.lists, convert=cells.texts),
    "time lists": partial(cells.lists, convert=partial(cells.times, timezone="UTC")),
}


@pytest.mark.parametrize("convert", CONVERTERS.values(), ids=CONVERTERS)
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_any_column_gives_a_value_or_a_bad_cell_per_row(convert, data):
    column = data.draw(anything(data.draw(st.integers(0, 4))))
    found = convert(column)
    assert len(found.values) == len(column)
    assert all(0 <= row < len(column) and column[row].is_valid for row in found.bad)
    assert all(found.values[row] is None for row in found.bad)


@ANY
@given(data=st.data(), timezone=st.sampled_from(["UTC", "Europe/Copenhagen"]))
def test_any_table_gives_records_or_refusals(data, timezone, tmp_path_factory, sessions):
    folder = tmp_path_factory.mktemp("any")
    shown, clicked = ("impression_id", "user_id", "at", "items"), ("event_id", "user_id", "article_id", "at")
    rows = save(data.draw(files(("article_id",), table.ARTICLE_COLUMNS)), folder / "articles.parquet")
    rows += save(data.draw(files(shown, ("known_at", *table.CONTEXT_COLUMNS))), folder / "impressions.parquet")
    rows += save(data.draw(files(clicked, table.CLICK_COLUMNS)), folder / "clicks.parquet")
    report = import_path(sessions, "table", folder, timezone=timezone)
    assert report.articles + report.impressions + report.clicks + sum(report.refused.values()) == rows


@ANY
@given(data=st.data())
def test_any_ebnerd_gives_records_or_refusals(data, tmp_path_factory, sessions):
    folder = tmp_path_factory.mktemp("any")
    context = ("read_time", "article_id", "device_type", "is_subscriber")
    rows = save(data.draw(files(("article_id",), ebnerd.ARTICLE_COLUMNS)), folder / "articles.parquet")
    rows += save(data.draw(files(ebnerd.BEHAVIOR_COLUMNS, context)), folder / "train" / "behaviors.parquet")
    rows += save(data.draw(files(ebnerd.HISTORY_COLUMNS, ("read_time_fixed",))), folder / "train" / "history.parquet")
    report = import_path(sessions, "ebnerd", folder)
    assert report.articles + report.impressions + report.clicks + sum(report.refused.values()) >= rows
