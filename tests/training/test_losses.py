import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys.training.losses import choice_loss, log_inclusion, sampled_softmax

GENERATOR = torch.Generator().manual_seed(0)


def test_inclusion_is_the_chance_to_be_drawn() -> None:
    frequency = torch.tensor([0.5, 0.3, 0.15, 0.05, 0.0], dtype=torch.float64)
    rng = np.random.default_rng(0)
    drawn = np.zeros(5)
    for _ in range(20_000):
        batch = rng.choice(5, 4, p=frequency.numpy())
        drawn[np.unique(np.append(batch, rng.choice(5, 2, replace=False)))] += 1
    np.testing.assert_allclose(log_inclusion(frequency, 4, 0.4).exp().numpy(), drawn / 20_000, atol=0.015)


def test_sampling_everything_is_the_plain_softmax() -> None:
    logits = torch.randn(6, 9, generator=GENERATOR)
    target = torch.tensor([0, 3, 3, 8, 1, 2])
    nothing = torch.zeros(6, 9, dtype=torch.bool)
    log_q = log_inclusion(torch.full((9,), 1 / 9), 6, uniform=1.0)
    torch.testing.assert_close(log_q, torch.zeros(9))
    plain = torch.nn.functional.cross_entropy(logits, target)
    torch.testing.assert_close(sampled_softmax(logits, target, log_q, nothing, torch.ones(6)), plain)


def test_popular_articles_are_not_pushed_down_for_being_sampled() -> None:
    logits = torch.zeros(1, 3, requires_grad=True)
    log_q = torch.tensor([0.9, 0.9, 0.1]).log()
    sampled_softmax(logits, torch.tensor([0]), log_q, torch.zeros(1, 3, dtype=torch.bool), torch.ones(1)).backward()
    assert logits.grad is not None
    assert logits.grad[0, 2] > 5 * logits.grad[0, 1]


def test_excluded_articles_get_no_gradient_but_the_target_stays() -> None:
    logits = torch.zeros(1, 3, requires_grad=True)
    excluded = torch.tensor([[True, True, False]])
    loss = sampled_softmax(logits, torch.tensor([0]), torch.zeros(3), excluded, torch.ones(1))
    loss.backward()
    assert logits.grad is not None
    assert logits.grad[0, 1] == 0
    assert logits.grad[0, 0] < 0
    torch.testing.assert_close(loss, torch.tensor(2.0).log())


def test_a_click_counts_by_its_grade() -> None:
    arguments = (
        torch.zeros(2, 3),
        torch.tensor([0, 1]),
        torch.zeros(3),
        torch.tensor([[False] * 3, [True, False, True]]),
    )
    plain = sampled_softmax(*arguments, torch.ones(2))
    torch.testing.assert_close(plain, torch.tensor(3.0).log() / 2)  # the second has no alternative
    torch.testing.assert_close(sampled_softmax(*arguments, torch.tensor([0.5, 1.5])), plain / 2)


def test_shown_articles_are_negatives_and_padding_is_none() -> None:
    arguments = torch.zeros(2, 3), torch.tensor([0, 1]), torch.zeros(3), torch.zeros(2, 3, dtype=torch.bool)
    shown = torch.tensor([[0.0, -torch.inf], [-torch.inf, -torch.inf]])
    expected = (torch.tensor(4.0).log() + torch.tensor(3.0).log()) / 2
    torch.testing.assert_close(sampled_softmax(*arguments, torch.ones(2), shown), expected)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_choice_loss_is_the_likelihood_of_what_was_chosen(data: st.DataObject) -> None:
    lengths = data.draw(st.lists(st.integers(1, 5), min_size=1, max_size=5))
    longest, count = max(lengths), len(lengths)
    generator = torch.Generator().manual_seed(data.draw(st.integers(0, 999)))
    scores = torch.randn(count, longest, generator=generator, dtype=torch.float64) * 4
    outside = torch.randn(count, generator=generator, dtype=torch.float64) if data.draw(st.booleans()) else None
    mask = torch.arange(longest)[None] < torch.tensor(lengths)[:, None]
    labels = ((torch.rand(count, longest, generator=generator) < 0.4) & mask).double()
    total = 0.0
    for i, length in enumerate(lengths):
        weights = [float(scores[i, j].exp()) for j in range(length)]
        everything = sum(weights) + (0.0 if outside is None else float(outside[i].exp()))
        chosen = [weights[j] for j in range(length) if labels[i, j]]
        if not chosen and outside is not None:
            chosen = [float(outside[i].exp())]
        total -= sum(np.log(weight / everything) for weight in chosen) / max(len(chosen), 1)
    assert float(choice_loss(scores, mask, labels, outside)) == pytest.approx(total / count, rel=1e-9, abs=1e-9)


def test_padding_gets_no_gradient_and_changes_nothing() -> None:
    scores = torch.randn(2, 3, requires_grad=True)
    mask = torch.tensor([[True, True, False], [True, True, True]])
    choice_loss(scores, mask, torch.tensor([[1.0, 0, 0], [0, 0, 0]]), torch.zeros(2)).backward()
    assert scores.grad is not None
    assert scores.grad[0, 2] == 0
    assert torch.isfinite(scores.grad).all()
