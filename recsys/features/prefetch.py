"""Asks the processor for memory that is needed in a moment, so that it arrives while something else is computed.

The rows of candidates lie anywhere in arrays that no cache can hold. A processor looks ahead by itself, but not as far
as from one candidate to the next.
"""

from typing import Any

import numpy as np
import numpy.typing as npt
from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic, overload

LINE = 64  # bytes that come at once
READ, KEEP, DATA = 0, 3, 1  # llvm.prefetch: what for, in which caches, and what it is
INT = ir.IntType(32)


def prefetch(array: npt.NDArray[np.generic], row: int) -> None:
    """Ask for one row of an array; outside of compiled code nothing is asked for."""


@overload(prefetch)
def _compiled(array: Any, row: Any) -> Any:  # noqa: ARG001
    def ask_for_number(array: Any, row: Any) -> None:
        _ask(array, row, 0)

    def ask_for_row(array: Any, row: Any) -> None:
        size = array.itemsize
        for length in array.shape[1:]:
            size *= length
        for ahead in range(0, size, LINE):
            _ask(array, row, ahead)

    return ask_for_number if array.ndim == 1 else ask_for_row


def _asking(_context: Any, array: Any, row: Any, ahead: Any) -> Any:
    """The type and the code of a call that asks for the line ``ahead`` bytes behind the beginning of a row."""
    tools: Any = cgutils

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        kind, (array, row, ahead) = signature.args[0], arguments
        first = [row] + [context.get_constant(types.intp, 0)] * (kind.ndim - 1)
        place = tools.get_item_pointer(context, builder, kind, context.make_array(kind)(context, builder, array), first)
        byte = builder.gep(builder.bitcast(place, ir.IntType(8).as_pointer()), [ahead])
        kinds = ir.FunctionType(ir.VoidType(), [byte.type, INT, INT, INT])
        ask = tools.get_or_insert_function(builder.module, kinds, "llvm.prefetch.p0")
        builder.call(ask, [byte, INT(READ), INT(KEEP), INT(DATA)])
        return context.get_dummy_value()

    return types.void(array, row, ahead), generate


_ask: Any = intrinsic(_asking)
