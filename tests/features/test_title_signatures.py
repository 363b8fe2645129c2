"""A process that reads titles one by one has the same signatures, to the bit, as one that reads all at once."""

import numpy as np
import pytest

from recsys.features.features import SIGNED, title_signatures
from recsys.features.state import TASTE

TITLES = np.random.default_rng(3).standard_normal((SIGNED + 40, 384)).astype(np.float32)


@pytest.mark.parametrize("size", [1, 2, 7, SIGNED - 1, SIGNED, SIGNED + 1])
@pytest.mark.parametrize("first", [0, 13])
def test_bits_do_not_depend_on_the_company(size: int, first: int) -> None:
    whole = title_signatures(TITLES)
    np.testing.assert_array_equal(title_signatures(TITLES[first : first + size]), whole[first : first + size])


def test_they_are_unit_vectors_and_nothing_stays_nothing() -> None:
    signed = title_signatures(np.vstack([TITLES[:3], np.zeros((1, 384), np.float32)]))
    assert signed.shape == (4, TASTE)
    np.testing.assert_allclose(np.linalg.norm(signed, axis=1), [1, 1, 1, 0], atol=1e-6)
    assert title_signatures(TITLES[:0]).shape == (0, TASTE)


def test_cosines_are_about_kept() -> None:
    near = TITLES[:200] + 0.5 * TITLES[200:201]
    cosines = [
        float(a @ b / np.linalg.norm(a) / np.linalg.norm(b)) for a, b in zip(near[:100], near[100:], strict=True)
    ]
    signed = title_signatures(near)
    kept = (signed[:100] * signed[100:]).sum(axis=1)
    assert np.abs(kept - cosines).mean() < 1 / np.sqrt(TASTE)
