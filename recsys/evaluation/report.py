"""Tables of figures for the terminal.

A row of figures is a dict of column name -> text, Python number or nothing; its entry ``confidence``, if there, maps a
column's name to the interval (low, high) that is shown beside the number.
"""

import math
from collections.abc import Mapping, Sequence

from rich.table import Table
from rich.text import Text

Figures = Mapping[str, object]
NOTHING = "–"


def table(figures: Sequence[Figures], columns: Sequence[str]) -> Table:
    """The rows as a rich table, numbers to the right."""
    result = Table()
    for column in columns:
        result.add_column(Text(column), justify="right" if _is_numeric(figures, column) else "left")
    for row in figures:
        result.add_row(*(Text(_cell(row, column)) for column in columns))
    return result


def number(value: float) -> str:
    """A number as papers print it: ``.773``, ``.0003``, ``-.008``, ``1.250``, ``51.3``, ``25,356``; "–" for NaN."""
    if not math.isfinite(value):
        return NOTHING if math.isnan(value) else str(value)
    size = abs(value)
    if isinstance(value, int) or size >= 999.95:
        return f"{value:,.0f}"
    text = f"{value:z.{4 if 0 < size < 0.001 else 3 if size < 10 else 1}f}"
    return text.replace("0.", ".", 1) if text.lstrip("-").startswith("0.") else text


def _cell(row: Figures, column: str) -> str:
    value = row.get(column)
    if value is None:
        return NOTHING
    if isinstance(value, bool):
        return "yes" if value else "no"
    if not isinstance(value, int | float):
        return str(value)
    intervals = row.get("confidence")
    interval = intervals.get(column) if isinstance(intervals, Mapping) else None
    return number(value) + (_interval(*interval) if interval else "")


def _interval(low: float, high: float) -> str:
    if math.isnan(low) or math.isnan(high):
        return ""
    return f" ({number(low)}{'–' if low >= 0 else ' to '}{number(high)})"  # a dash before a minus is unreadable


def _is_numeric(figures: Sequence[Figures], column: str) -> bool:
    values = [row[column] for row in figures if row.get(column) is not None]
    return bool(values) and all(isinstance(value, int | float) and not isinstance(value, bool) for value in values)
