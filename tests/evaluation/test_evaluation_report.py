"""What a reader sees in the tables of figures."""

import math

import pytest
from rich.console import Console

from recsys.evaluation.report import number, table

ROWS = [
    {"name": "most | popular", "auc": 0.586, "impressions": 25356, "live": False},
    {"name": "[bold]gated", "auc": 0.773, "confidence": {"auc": (0.766, 0.78)}, "impressions": 9986, "live": True},
]


def rendered(rows, columns):
    console = Console(width=100)
    with console.capture() as capture:
        console.print(table(rows, columns))
    return capture.get()


def cells(row):
    """What stands below the header of a table of one row and one column."""
    return rendered([row], ["auc"]).splitlines()[3].strip("│ ")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.773, ".773"),
        (0.0003, ".0003"),
        (-0.008, "-.008"),
        (0.0, ".000"),
        (1.0, "1.000"),
        (0.9996, "1.000"),
        (51.26, "51.3"),
        (100.5, "100.5"),
        (999.96, "1,000"),
        (1390.0, "1,390"),
        (-1e-5, ".0000"),
        (25356, "25,356"),
        (7, "7"),
        (math.nan, "–"),
        (math.inf, "inf"),
    ],
)
def test_numbers_read_as_in_papers(value, text):
    assert number(value) == text


def test_cells_are_shown_as_they_are():
    text = rendered(ROWS, ["name", "auc", "impressions", "live"])
    for cell in ("most | popular", "[bold]gated", ".773 (.766–.780)", "25,356", "yes", "no"):
        assert cell in text


def test_an_interval_below_zero_is_readable():
    rows = [{"difference": -0.004, "confidence": {"difference": [-0.012, 0.004]}}]
    assert "-.004 (-.012 to .004)" in rendered(rows, ["difference"])


@pytest.mark.parametrize("row", [{}, {"auc": None}, {"auc": math.nan}])
def test_what_is_not_there_is_a_dash(row):
    assert cells(row) == "–"


def test_an_interval_that_could_not_be_had_is_left_out():
    assert cells({"auc": 0.5, "confidence": {"auc": (math.nan, math.nan)}}) == ".500"


def test_no_rows_make_a_header():
    assert "name" in rendered([], ["name"])
    assert table([], ["name"]).row_count == 0
