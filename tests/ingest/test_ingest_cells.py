"""Arrow columns as Python cells: what fits, what is empty, and what does not fit."""

from functools import partial

import pyarrow as pa
import pytest

from recsys.ingest import cells
from recsys.ingest.cells import Cells

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
        (pa.array(["1", None]), Cells([None, None], [0])),
    ],
)
def test_numbers(column, expected):
    assert cells.numbers(column) == expected


def test_flags():
    assert cells.flags(pa.array([True, None, False])) == Cells([True, None, False], [])
    assert cells.flags(pa.array([1.0, 0.0, NAN, 2.0])) == Cells([True, False, None, None], [3])
    assert cells.flags(pa.array(["yes"])) == Cells([None], [0])


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
