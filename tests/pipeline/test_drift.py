"""The population stability index, and the deciles that it compares with."""

import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys.pipeline.drift import SCORE, drift, for_people, reference, stability_index

NAMES = ("wide", "flag", "constant")
ROWS = 4000


def rows(seed=0, shift=0.0, flagged=0.3, constant=0.0):
    draw = np.random.default_rng(seed)
    wide, flag = draw.normal(shift, 1.0, ROWS), draw.random(ROWS) < flagged
    return np.stack([wide, flag, np.full(ROWS, constant)], axis=1).astype(np.float32)


def scores(seed=0):
    return np.random.default_rng(seed).random(ROWS).astype(np.float32)


def drifted(**changed):
    return drift(reference(NAMES, rows(), scores()), NAMES, rows(seed=1, **changed), scores(seed=1))


def test_the_index_is_the_textbook_sum():
    """Three bins: (0.3 - 0.5) ln(0.3 / 0.5) + (0.3 - 0.3) ln 1 + (0.4 - 0.2) ln(0.4 / 0.2)."""
    expected = 0.2 * math.log(0.5 / 0.3) + 0.2 * math.log(2)
    assert stability_index(np.array([0.5, 0.3, 0.2]), np.array([0.3, 0.3, 0.4])) == pytest.approx(expected)


def test_an_unchanged_distribution_has_not_moved():
    assert max(drifted().values()) < 0.02
    assert set(drifted()) == {SCORE, *NAMES}


@pytest.mark.parametrize(
    ("changed", "moved"),
    [
        ({"shift": 1.0}, "wide"),
        ({"flagged": 0.8}, "flag"),
        ({"constant": 0.5}, "constant"),
        ({"constant": -1}, "constant"),
    ],
)
def test_what_moved_is_told_and_nothing_else(changed, moved):
    found = drifted(**changed)
    assert found[moved] > 0.25
    assert max(index for name, index in found.items() if name != moved) < 0.02


def test_more_of_a_shift_is_more_of_a_drift():
    indexes = [drifted(shift=shift)["wide"] for shift in (0.0, 0.2, 0.5, 1.0)]
    assert indexes == sorted(indexes)


def test_one_row_beyond_the_range_of_the_training_is_no_alarm():
    changed = rows(seed=1)
    changed[0, 0] = 1e6
    assert drift(reference(NAMES, rows(), scores()), NAMES, changed, scores())["wide"] < 0.02


def test_inputs_that_only_one_side_has_are_passed_over():
    kept = reference(NAMES, rows(), scores())
    assert set(drift(kept, ("wide", "new"), rows()[:, :2], scores())) == {SCORE, "wide"}


def test_the_reference_is_small_and_survives_json():
    kept = reference(NAMES, rows(), scores())
    assert json.loads(json.dumps(kept)) == kept
    assert all(len(bins["edges"]) <= 11 and len(bins["shares"]) == len(bins["edges"]) + 1 for bins in kept.values())
    assert all(sum(bins["shares"]) == pytest.approx(1.0, abs=1e-4) for bins in kept.values())


def test_people_are_spared_the_reference():
    assert for_people({"lists": 3, "reference": {"score": {}}}) == {"lists": 3}


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(-(2.0**90), 2.0**90, width=32), min_size=1, max_size=50))
def test_the_rows_of_the_training_itself_have_no_drift(values):
    column = np.array(values, np.float32)
    kept = reference(("x",), column[:, None], column)
    assert drift(kept, ("x",), column[:, None], column)["x"] == pytest.approx(0.0, abs=1e-3)
