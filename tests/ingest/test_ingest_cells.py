"""Arrow columns as Python cells: what fits, what is empty, and what does not fit."""

from functools import partial

import numpy as np
import pyarrow as pa
import pytest

from recsys.ingest import cells
from recsys.ingest.plain import Cells

NAN = float("nan")


@pytest.mark.parametrize(
    ("column", "expected"),
    [
        (pa.array(["a", None, ""]), Cells(["a", None, ""], [])),
        (pa.array([1, None], pa.uint32()), Cells(["1", None], [])),
        (pa.array([9778745.0, NAN, None, 1.5]), Cells(["9778745", None, None, "1.5"], [])),
        (pa.array([b"a", b"\xff"]), Cells(["a", None], [1])),
        (pa.array(["x", "y", "x"]).dictionary_encode(), Cells(["x", "y", "x"], [])),
        (pa.array([True, None]), Cells([None, None], [0])),
        (pa.array([{"x": 1}]), Cells([None], [0])),
        (pa.nulls(2), Cells([None, None], [])),
    ],
)
def test_texts(column, expected):
    assert cells.texts(column) == expected


@pytest.mark.parametrize(
    ("column", "expected"),
    [
        (pa.array([1, None, -2]), Cells([1.0, None, -2.0], [])),
        (pa.array([0.5, NAN, float("inf")]), Cells([0.5, None, None], [2])),
        (pa.array([True, False]), Cells([1.0, 0.0], [])),
        (
            pa.array(["1", None, " -2e3 ", "", "1_0", " NaN ", "٣", "null", "none"]),
            Cells([1.0, None, -2e3, None, None, None, None, None, None], [4, 6, 8]),
        ),
        ([1, "2", None, True, [1], NAN, 10**400], Cells([1.0, 2.0, None, 1.0, None, None, None], [4, 6])),
    ],
)
def test_numbers(column, expected):
    assert cells.numbers(column) == expected


def test_flags():
    assert cells.flags(pa.array([True, None, False])) == Cells([True, None, False], [])
    assert cells.flags(pa.array([1.0, 0.0, NAN, 2.0])) == Cells([True, False, None, None], [3])
    assert cells.flags(pa.array(["yes", "FALSE", "1", "perhaps"])) == Cells([True, False, True, None], [3])
    assert cells.flags([True, "f", 0, 2, ""]) == Cells([True, False, False, None, None], [3])


def test_lists_have_their_gaps_and_name_bad_elements_once():
    column = pa.array([[1, None], None, [], [3]])
    assert cells.lists(column, cells.texts) == Cells([["1", None], None, [], ["3"]], [])
    column = pa.array([[1.0], [], [float("inf"), float("inf")], [2.0]])
    assert cells.lists(column, cells.numbers) == Cells([[1.0], [], None, [2.0]], [2])
    assert cells.lists(pa.array([1, None]), cells.texts) == Cells([None, None], [0])


def test_a_slice_of_a_column_is_read_as_such():
    column = pa.array([[1], [2, 3], None, [4]], pa.large_list(pa.int32())).slice(1, 3)
    assert cells.lists(column, cells.texts) == Cells([["2", "3"], None, ["4"]], [])
    fixed = pa.array([[1, 2], None, [3, 4]], pa.list_(pa.int32(), 2))
    assert cells.lists(fixed, cells.texts) == Cells([["1", "2"], None, ["3", "4"]], [])


def test_times_of_the_far_future_are_left_to_validation():
    column = pa.array([2**62, None, 0], pa.timestamp("ms"))
    found = cells.times(column, "Europe/Copenhagen")
    assert found.values[1:] == [None, -3600.0]
    assert found.values[0] > 4e15
    assert found.bad == []


def test_an_extension_type_is_read_as_what_it_stores():
    column = pa.ExtensionArray.from_storage(pa.uuid(), pa.array([b"0123456789abcdef"], pa.binary(16)))
    assert cells.texts(column).bad in ([], [0])
    nested = partial(cells.lists, convert=cells.numbers)
    assert nested(pa.array([], pa.list_(pa.float64()))) == Cells([], [])


def test_python_values_are_read_one_by_one():
    assert cells.texts(["a", 5, 12.0, 1.5, True, {"x": 1}, None]) == Cells(
        ["a", "5", "12", "1.5", None, None, None], [4, 5]
    )
    assert cells.lists(["a b", '["a b", 5]', "", ["c"], "[torn", 5, "[{}]"], cells.texts) == Cells(
        [["a", "b"], ["a b", "5"], None, ["c"], None, None, None], [4, 5, 6]
    )
    assert cells.pictures([None, "a.png"]) == Cells([None, "a.png"], [])
    assert cells.pictures(pa.array([b"\x89PNG", None])) == Cells([b"\x89PNG", None], [])


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        ("1684396800.25", 1684396800.25),
        ("2023-05-18T08:00:00Z", 1684396800.0),
        ("2023-05-18 10:00:00.5+02:00", 1684396800.5),
        ("2023-05-18T08:00:00", 1684396800.0 + 4 * 3600),  # read in the zone that is named
        ("2023-05-18", 1684396800.0 - 4 * 3600),
        ("20230518", 1684396800.0 - 4 * 3600),
        ("20231318", 20231318.0),  # no date
        ("18/05/2023", None),
        ("soon", None),
        (True, 1.0),
    ],
)
def test_times_that_are_written_out(written, seconds):
    found = cells.times([written], "America/New_York")
    assert found == Cells([seconds], [] if seconds is not None else [0])


@pytest.mark.parametrize("written", ["", "NULL", " nan "])
def test_what_is_not_known_is_no_wrong_value(written):
    assert cells.times([written], "UTC") == cells.flags([written]) == Cells([None], [])


def test_hours_that_a_zone_skips_or_repeats_are_read_as_in_a_typed_column():
    clocks = ["2023-03-26T02:30:00", "2023-10-29T02:30:00", "2023-10-29T03:30:00"]
    typed = pa.array([np.datetime64(clock, "us") for clock in clocks])
    assert cells.times(clocks, "Europe/Copenhagen") == cells.times(typed, "Europe/Copenhagen")
