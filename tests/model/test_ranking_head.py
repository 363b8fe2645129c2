import pytest
import torch

from recsys.model.ranking_head import ListwiseHead, PointwiseHead, Standardise

GENERATOR = torch.Generator().manual_seed(0)
LENGTHS = torch.tensor([4, 5])  # of two lists
NAMES = ["temperature", "outside_shift", "odds_slope", "odds_shift", "standardise.mean", "standardise_list.scale"]


def rows(n: int, width: int) -> torch.Tensor:
    return torch.randn(n, width, generator=GENERATOR)


def listwise(width: int = 6, list_width: int = 3) -> ListwiseHead:
    torch.manual_seed(0)
    return ListwiseHead(width, list_width).eval()


def test_columns_are_standardised_with_stored_constants() -> None:
    made = rows(500, 3) * torch.tensor([1.0, 100.0, 1e-3]) + torch.tensor([0.0, 5.0, -7.0])
    standardise = Standardise(3)
    standardise.fit(made)
    done = standardise(made)
    torch.testing.assert_close(done.mean(0), torch.zeros(3), atol=1e-3, rtol=0)
    torch.testing.assert_close(done.std(0, correction=0), torch.ones(3), atol=0.02, rtol=0)
    torch.testing.assert_close(standardise(made[:1]), done[:1])  # whatever else is in the batch


def test_a_column_that_was_constant_stays_finite() -> None:
    standardise = Standardise(2)
    standardise.fit(torch.full((4, 2), 3.0))
    assert standardise(torch.full((1, 2), 3.0)).tolist() == [[0.0, 0.0]]
    assert torch.isfinite(standardise(torch.tensor([[1e30, -1e30]]))).all()


def test_one_row_is_enough_to_standardise() -> None:
    standardise = Standardise(2)
    standardise.fit(torch.tensor([[1.0, 2.0]]))
    assert standardise(torch.tensor([[1.0, 2.0]])).tolist() == [[0.0, 0.0]]


def test_outliers_are_cut() -> None:
    standardise = Standardise(1, limit=4.0)
    standardise.fit(rows(100, 1))
    assert standardise(torch.tensor([[1e6], [-1e6]])).tolist() == [[4.0], [-4.0]]


def test_a_louder_column_changes_no_score() -> None:
    made, louder = rows(200, 4), torch.tensor([1.0, 100.0, 1.0, 0.01])
    torch.manual_seed(0)
    head = PointwiseHead(4).eval()
    head.standardise.fit(made)
    before = head(made)
    head.standardise.fit(made * louder)
    torch.testing.assert_close(head(made * louder), before, atol=1e-4, rtol=1e-4)


def test_candidates_are_scored_one_by_one() -> None:
    torch.manual_seed(0)
    head, made = PointwiseHead(4).eval(), rows(7, 4)
    assert head(made).shape == (7,)
    torch.testing.assert_close(head(made)[2:3], head(made[2:3]))
    assert head(made[:0]).shape == (0,)


def test_scores_of_changed_inputs_are_those_of_the_changed_rows() -> None:
    torch.manual_seed(5)
    head, given = PointwiseHead(6).eval(), rows(4, 6)
    head.standardise.fit(rows(50, 6) * 3 + 1)
    columns = rows(3 * 4, 2).reshape(3, 4, 2)
    columns[0, 0, 0] = 1e6  # is cut
    with torch.no_grad():
        found = head.scores_with(given, columns, first=3)
        for changed, scores in zip(columns, found, strict=True):
            torch.testing.assert_close(scores, head(torch.cat([given[:, :3], changed, given[:, 5:]], dim=1)))
        assert head.scores_with(given, columns[..., :0], first=3).shape == (3, 4)


def test_lists_have_their_own_outside_option() -> None:
    head, items, lists = listwise(), rows(9, 6), rows(2, 3)
    logits, outside = head(items, lists, LENGTHS)
    assert logits.shape == (9,)
    assert outside.shape == (2,)
    assert not torch.equal(outside[0], outside[1])


def test_items_are_scored_beside_those_of_their_own_list_alone() -> None:
    head, items, lists = listwise(), rows(9, 6), rows(2, 3)
    logits, _ = head(items, lists, LENGTHS)
    torch.testing.assert_close(head(items[:4], lists[:1], LENGTHS[:1])[0], logits[:4])
    beside = items.clone()
    beside[8] += 1.0
    changed, _ = head(beside, lists, LENGTHS)
    torch.testing.assert_close(changed[:4], logits[:4])
    assert not torch.isclose(changed[4:8], logits[4:8]).any()


def test_the_order_of_a_list_does_not_matter() -> None:
    head, items, lists = listwise(), rows(5, 6), rows(1, 3)
    order = torch.tensor([3, 0, 4, 1, 2])
    logits, moved = (head(some, lists, torch.tensor([5]))[0] for some in (items, items[order]))
    torch.testing.assert_close(moved, logits[order])


def test_temperature_keeps_the_order_of_everything_and_the_shift_moves_the_outside_option_alone() -> None:
    head, items, lists = listwise(), rows(9, 6), rows(2, 3)
    logits, outside = head(items, lists, LENGTHS)
    head.temperature.fill_(2.0)
    head.outside_shift.fill_(0.75)
    cooler, shifted = head(items, lists, LENGTHS)
    torch.testing.assert_close(cooler, logits / 2)
    torch.testing.assert_close(shifted, outside / 2 + 0.75)


@pytest.mark.parametrize("name", NAMES)
def test_what_calibration_and_standardisation_found_is_part_of_the_weights(name: str) -> None:
    assert name in listwise().state_dict()


def test_dropout_is_for_training_only() -> None:
    head, given = listwise(), (rows(50, 6), rows(1, 3), torch.tensor([50]))
    torch.testing.assert_close(head(*given)[0], head(*given)[0], rtol=0, atol=0)
    head.train()
    assert not torch.equal(head(*given)[0], head(*given)[0])
