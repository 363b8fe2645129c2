"""The threshold of best F1, against trying every value."""

import numpy as np
import pytest

from recsys.training.threshold import best_f1_threshold


def f1(clicked: np.ndarray, predicted: np.ndarray) -> float:
    return 2 * int((clicked & predicted).sum()) / (int(clicked.sum()) + int(predicted.sum()))


@pytest.mark.parametrize("seed", range(20))
def test_no_other_value_gives_a_better_f1(seed: int) -> None:
    draw = np.random.default_rng(seed)
    chances = np.round(draw.random(60), int(draw.integers(1, 4))).astype(np.float32)  # with many ties
    labels = (draw.random(60) < 0.1 + 0.5 * chances).astype(np.float32)
    found = best_f1_threshold(labels, chances)
    assert found is not None
    best = max(f1(labels > 0, chances >= value) for value in np.unique(chances))
    assert f1(labels > 0, chances >= found) == pytest.approx(best)


def test_of_equally_good_thresholds_the_highest_is_taken() -> None:
    labels, chances = np.array([1, 0, 0, 1], np.float32), np.array([0.9, 0.8, 0.7, 0.6], np.float32)
    assert f1(labels > 0, chances >= np.float32(0.6)) == f1(labels > 0, chances >= np.float32(0.9))
    assert best_f1_threshold(labels, chances) == pytest.approx(0.9)


def test_without_a_click_there_is_none() -> None:
    assert best_f1_threshold(np.zeros(3, np.float32), np.full(3, 0.5, np.float32)) is None
