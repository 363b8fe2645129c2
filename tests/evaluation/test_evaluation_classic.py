"""Accuracy, precision, recall and F1 at a threshold."""

import numpy as np
import pytest
from sklearn import metrics as reference

from recsys.domain import RecsysError
from recsys.evaluation.classic import classic


@pytest.mark.parametrize("threshold", [0.2, 0.5, 0.83])
def test_figures_are_those_of_scikit_learn(threshold: float) -> None:
    draw = np.random.default_rng(1)
    chances, labels = draw.random(300), (draw.random(300) < 0.3).astype(float)
    predicted, found = chances >= threshold, classic(labels, chances, threshold)
    assert found.accuracy == pytest.approx(reference.accuracy_score(labels, predicted))
    assert found.precision == pytest.approx(reference.precision_score(labels, predicted))
    assert found.recall == pytest.approx(reference.recall_score(labels, predicted))
    assert found.f1 == pytest.approx(reference.f1_score(labels, predicted))
    assert found.accuracy_of_never == pytest.approx(1 - labels.mean())


def test_a_probability_on_the_threshold_foretells_a_click() -> None:
    assert classic([1, 0], [0.5, 0.4], 0.5).recall == 1.0


def test_what_is_nothing_over_nothing_is_no_number() -> None:
    found = classic([0, 0], [0.1, 0.2], 0.5)
    assert np.isnan([found.precision, found.recall, found.f1]).all()
    assert found.accuracy == found.accuracy_of_never == 1.0


def test_other_lengths_are_refused() -> None:
    with pytest.raises(RecsysError, match="2 labels need as many probabilities"):
        classic([0, 1], [0.5], 0.5)
