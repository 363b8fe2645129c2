"""What answers compute on arrays is what training computes in torch."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from recsys.model import arrays
from recsys.model.ranking_head import ListwiseHead, PointwiseHead
from recsys.model.user_tower import BlockwiseUserTower, Recency, UserTower, UserTowerConfig

SHAPE = UserTowerConfig(dim=8, hidden=6, history=5)
LONGEST = 9  # more than the tower counts


def drawn(module: nn.Module) -> nn.Module:
    """A module in evaluation mode with weights that nothing was trained for."""
    with torch.no_grad():
        for values in module.parameters():
            values.normal_()
    return module.eval()


@st.composite
def histories(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Items (batch, h, dim), ages and a mask (batch, h) with padding anywhere."""
    shape = draw(st.integers(0, 4)), draw(st.integers(0, LONGEST))
    random = np.random.default_rng(draw(st.integers(0, 2**32)))
    items = random.standard_normal((*shape, SHAPE.dim)).astype(np.float32)
    items[..., : SHAPE.dim // 2] *= random.random((*shape, 1)) < 0.7  # some lack the first block
    ages = (10 ** random.uniform(-1, 9, shape)).astype(np.float32) * random.choice([1, 0, -1], shape, p=[0.8, 0.1, 0.1])
    return items, ages.astype(np.float32), random.random(shape) < draw(st.sampled_from([0.0, 0.5, 1.0]))


def tensors(*parts: np.ndarray) -> tuple[torch.Tensor, ...]:
    return tuple(torch.from_numpy(part) for part in parts)


@given(histories())
@settings(deadline=None)
def test_a_recency_weighs_alike(history):
    _, ages, mask = history
    module = drawn(Recency(SHAPE.history, (0.5, 0.05)))
    with torch.inference_mode():
        expected = module(0.0, *tensors(ages, mask)).numpy()
    np.testing.assert_allclose(arrays.recency(module, 0.0, ages, mask), expected, atol=1e-5)


@pytest.mark.parametrize("tower", [UserTower(SHAPE), BlockwiseUserTower(SHAPE, 2), BlockwiseUserTower(SHAPE, 3)])
@given(history=histories())
@settings(deadline=None)
def test_a_user_is_the_same_vector(tower, history):
    drawn(tower)
    with torch.inference_mode():
        expected = tower(*tensors(*history)).numpy()
    np.testing.assert_allclose(arrays.user(tower, *history), expected, atol=1e-4)


def test_heads_score_alike():
    rows, lists = np.random.default_rng(0).normal(0, 30, (40, 7)).astype(np.float32), np.eye(3, dtype=np.float32)
    pointwise, listwise, lengths = drawn(PointwiseHead(7)), drawn(ListwiseHead(7, 3)), np.array([1, 32, 7])
    for part in (pointwise.standardise, listwise.standardise):
        part.fit(torch.from_numpy(rows))
    listwise.temperature.fill_(1.7)
    listwise.outside_shift.fill_(-0.4)
    with torch.inference_mode():
        scores, (items, outside) = pointwise(*tensors(rows)), listwise(*tensors(rows, lists, lengths))
    np.testing.assert_allclose(arrays.pointwise(pointwise, rows), scores.numpy(), atol=1e-4)
    for array, tensor in zip(arrays.listwise(listwise, rows, lists, lengths), (items, outside), strict=True):
        np.testing.assert_allclose(array, tensor.numpy(), atol=1e-3)


def test_no_input_is_too_far_out():
    head = drawn(PointwiseHead(2))
    with torch.no_grad():
        head.layers[0].weight.fill_(1e4)
    scores = arrays.pointwise(head, np.array([[1e30, 1e30], [-1e30, -1e30]], np.float32))
    assert np.isfinite(scores).all()


def test_weights_that_change_in_place_count_at_once():
    head, rows = drawn(PointwiseHead(3)), np.ones((2, 3), np.float32)
    before = arrays.pointwise(head, rows)
    with torch.no_grad():
        head.layers[-1].weight.neg_()
        head.layers[-1].bias.neg_()
    np.testing.assert_allclose(arrays.pointwise(head, rows), -before, rtol=1e-6)
