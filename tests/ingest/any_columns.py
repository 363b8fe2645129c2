"""Hypothesis strategies for Arrow columns: of any type, or of the type that a reader expects under a name."""

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import assume
from hypothesis import strategies as st

TICKS = st.integers(-(2**63) + 1, 2**63 - 1)
SCALARS: list[tuple[pa.DataType, st.SearchStrategy[Any]]] = [
    (pa.string(), st.text(max_size=5)),
    (pa.large_string(), st.text(max_size=200)),
    (pa.string_view(), st.text(max_size=20)),
    (pa.binary_view(), st.binary(max_size=20)),
    (pa.binary(), st.binary(max_size=5)),
    (pa.int64(), st.integers(-(2**63), 2**63 - 1)),
    (pa.uint64(), st.integers(0, 2**64 - 1)),
    (pa.int8(), st.integers(-128, 127)),
    (pa.float64(), st.floats()),
    (pa.float32(), st.floats(width=32)),
    (pa.float16(), st.floats(width=16).map(np.float16)),
    (pa.bool_(), st.booleans()),
    (pa.decimal128(38, 5), st.decimals(-(10**20), 10**20, places=5)),
    (pa.date32(), st.dates()),
    (pa.time64("us"), st.times()),
    (pa.null(), st.none()),
    (pa.timestamp("ms"), TICKS),
    (pa.timestamp("us", "UTC"), TICKS),
    (pa.timestamp("ns", "Asia/Tokyo"), TICKS),
    (pa.dictionary(pa.int32(), pa.string()), st.text(max_size=3)),
    (pa.struct([("x", pa.int64())]), st.fixed_dictionaries({"x": st.integers(0, 9)})),
    (pa.map_(pa.string(), pa.int64()), st.just([("k", 1)])),
]
IDS = (pa.string(), st.sampled_from(["a", "b", "c", "d"]))
TIMES = (pa.float64(), st.floats(0, 3e9))
EXPECTED: dict[str, tuple[pa.DataType, st.SearchStrategy[Any]]] = {
    "at": TIMES,
    "known_at": TIMES,
    "published_at": TIMES,
    "impression_time": TIMES,
    "items": (pa.list_(pa.string()), st.lists(IDS[1], min_size=1, max_size=3)),
    "article_ids_inview": (pa.list_(pa.int32()), st.lists(st.integers(0, 3), min_size=1, max_size=3)),
    "article_ids_clicked": (pa.list_(pa.int32()), st.lists(st.integers(0, 3), max_size=2)),
    "impression_time_fixed": (pa.list_(pa.float64()), st.lists(TIMES[1], min_size=2, max_size=2)),
    "article_id_fixed": (pa.list_(pa.int32()), st.lists(st.integers(0, 3), min_size=2, max_size=2)),
    "page": (pa.string(), st.sampled_from(["front", "article"])),
}
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda values: st.lists(values, max_size=3) | st.dictionaries(st.text(max_size=3), values, max_size=2),
    max_leaves=5,
)  # what JSON can hold


@st.composite
def anything(draw: st.DrawFn, length: int) -> pa.Array:
    """A column of any type, gaps included; sometimes of lists."""
    kind, value = draw(st.sampled_from(SCALARS))
    shape = draw(st.sampled_from(["scalar", "list", "large", "fixed", "view"]))
    if shape != "scalar":
        value = st.lists(st.none() | value, min_size=2 if shape == "fixed" else 0, max_size=2)
        make = {"list": pa.list_, "large": pa.large_list, "fixed": partial(pa.list_, list_size=2), "view": pa.list_view}
        kind = make[shape](kind)
    return pa.array(draw(st.lists(st.none() | value, min_size=length, max_size=length)), kind)


@st.composite
def files(draw: st.DrawFn, required: tuple[str, ...], optional: tuple[str, ...]) -> pa.Table:
    """The required columns and some of the others; one in ten is of any type, the rest are as expected."""
    length = draw(st.integers(1, 4))
    columns = {}
    for name in [*required, *draw(st.lists(st.sampled_from(optional), unique=True, max_size=4))]:
        if draw(st.integers(0, 9)) == 9:
            columns[name] = draw(anything(length))
        else:
            kind, value = EXPECTED.get(name, IDS)
            columns[name] = pa.array(draw(st.lists(value, min_size=length, max_size=length)), kind)
    return pa.table(columns)


def save(content: pa.Table, file: Path) -> int:
    """Write a file, if there can be such a file, and return its number of rows."""
    file.parent.mkdir(exist_ok=True)
    try:
        pq.write_table(content, file)
    except (pa.ArrowNotImplementedError, pa.ArrowInvalid):
        assume(False)  # Parquet has no such column
    return int(content.num_rows)
