"""Column types that fit either database: times, JSON, keys of the log, and the transaction that wrote a row."""

from collections.abc import Callable
from math import isfinite, isinf
from typing import Any

from sqlalchemy import JSON, BigInteger, ColumnElement, Dialect, Float, Integer, cast, extract, func
from sqlalchemy.dialects.postgresql import DOUBLE_PRECISION, JSONB
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.elements import BindParameter
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import TypeDecorator, UserDefinedType

from recsys.domain import Timestamp

MICROSECOND = 1e-6


def storable(time: Timestamp) -> Timestamp:
    """The first whole microsecond that is not before a time: PostgreSQL keeps no more.

    For stored times, ``stored < storable(t)`` and ``stored >= storable(t)`` say the same as with ``t`` itself.
    """
    if isinf(time):
        return time
    nearest = round(float(time), 6)
    return nearest if nearest >= time else round(nearest + MICROSECOND, 6)


class _Seconds(TypeDecorator[float]):
    impl = Float(53)
    cache_ok = True

    def process_bind_param(self, value: float | None, dialect: Dialect) -> float | None:  # noqa: ARG002
        return None if value is None else storable(value)


class _TimestampWithZone(UserDefinedType[float]):
    """The database turns seconds into its own times and back, so that no date is made in Python for each row."""

    cache_ok = True

    def get_col_spec(self, **_options: Any) -> str:
        return "TIMESTAMP WITH TIME ZONE"

    def bind_processor(self, dialect: Dialect) -> Callable[[float | None], float | None]:  # noqa: ARG002
        return lambda value: None if value is None else storable(value)

    def bind_expression(self, bindvalue: BindParameter[float]) -> ColumnElement[float]:
        return func.to_timestamp(cast(bindvalue, DOUBLE_PRECISION), type_=self)

    def column_expression(self, column: ColumnElement[Any]) -> ColumnElement[float]:
        return cast(extract("epoch", column), DOUBLE_PRECISION)


SECONDS = _Seconds().with_variant(_TimestampWithZone(), "postgresql")  # floats since 1970 UTC, timestamptz there


class _Figures(TypeDecorator[dict[str, Any]]):
    """jsonb knows no NaN: a figure that is none, such as the mean of nothing, is kept as its name."""

    impl = JSONB
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> Any:  # noqa: ARG002
        return _replaced(value, lambda leaf: str(leaf) if isinstance(leaf, float) and not isfinite(leaf) else leaf)

    def process_result_value(self, value: Any, dialect: Dialect) -> Any:  # noqa: ARG002
        return _replaced(value, lambda leaf: float(leaf) if leaf in ("nan", "inf", "-inf") else leaf)


def _replaced(value: Any, change: Callable[[Any], Any]) -> Any:
    """JSON in which every leaf was changed."""
    if isinstance(value, dict):
        return {name: _replaced(part, change) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [_replaced(part, change) for part in value]
    return change(value)


FIGURES = JSON().with_variant(_Figures(), "postgresql")
DOCUMENT = JSON(none_as_null=True).with_variant(JSONB(none_as_null=True), "postgresql")
POSITION = BigInteger().with_variant(Integer(), "sqlite")  # only an INTEGER PRIMARY KEY is SQLite's row id


class current_transaction(FunctionElement[int]):  # noqa: N801 - reads as the function that it is
    """The id of the transaction at work; SQLite, whose positions grow in the order of commits, needs none."""

    name = "current_transaction"
    type = BigInteger()
    inherit_cache = True


@compiles(current_transaction, "sqlite")
def _no_transaction(_element: current_transaction, _compiler: SQLCompiler, **_options: Any) -> str:
    return "NULL"


@compiles(current_transaction, "postgresql")
def _transaction(_element: current_transaction, _compiler: SQLCompiler, **_options: Any) -> str:
    return "(pg_current_xact_id()::text::bigint)"
