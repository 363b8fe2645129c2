"""Memory is asked for ahead in compiled code; nothing is read or changed by that."""

import numpy as np
import pytest
from numba import njit
from numba.core import config

from recsys.features.prefetch import prefetch

ARRAYS = [np.arange(5.0), np.ones((5, 3), np.uint32), np.ones((5, 100), np.int32), np.ones((5, 7, 3, 5))[:, 1]]
ARRAYS_IDS = ["numbers", "short rows", "long rows", "a part of each row"]


@pytest.mark.parametrize("array", ARRAYS, ids=ARRAYS_IDS)
def test_compiled_code_asks_for_a_row(array: np.ndarray) -> None:
    @njit
    def ask(array, row):
        prefetch(array, row)
        return array.sum()

    before = array.copy()
    assert ask(array, 4) == before.sum()
    np.testing.assert_array_equal(array, before)
    assert config.DISABLE_JIT or "call void @llvm.prefetch" in "".join(ask.inspect_llvm().values())


def test_outside_of_compiled_code_nothing_happens() -> None:
    prefetch(np.zeros(3), 100)
