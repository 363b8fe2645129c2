import pytest
import torch

from recsys.model.user_tower import BlockwiseUserTower, Recency, UserTower, UserTowerConfig, interpolated

DAY = 86_400.0


def tower(history: int = 50) -> UserTower:
    torch.manual_seed(3)
    return UserTower(UserTowerConfig(dim=8, hidden=6, history=history)).eval()


def blockwise(blocks: int = 3) -> BlockwiseUserTower:
    torch.manual_seed(3)
    model = BlockwiseUserTower(UserTowerConfig(dim=8, hidden=6, history=50), blocks).eval()
    for tower in model.towers:
        torch.nn.init.normal_(tower.out.bias, std=0.1)
    return model


def history(length: int = 7, batch: int = 3):
    generator = torch.Generator().manual_seed(2)
    items = torch.randn(batch, length, 8, generator=generator)
    age = torch.rand(batch, length, generator=generator).sort(dim=1, descending=True).values * DAY
    return items, age, torch.ones(batch, length, dtype=torch.bool)


@pytest.mark.parametrize("model", [tower(), blockwise()], ids=["whole", "blockwise"])
def test_padding_changes_nothing_wherever_it_stands(model: torch.nn.Module) -> None:
    items, age, mask = history()
    plain = model(items, age, mask)
    for padded in ((2, 0), (0, 3)):
        wide = torch.nn.functional.pad(items, (0, 0, *padded), value=torch.nan)
        older = torch.nn.functional.pad(age, padded, value=9.0)
        there = torch.nn.functional.pad(mask, padded)
        torch.testing.assert_close(model(wide, older, there), plain)


def test_only_the_newest_clicks_count() -> None:
    items, age, mask = history(length=9)
    torch.testing.assert_close(tower(4)(items, age, mask), tower(4)(items[:, -4:], age[:, -4:], mask[:, -4:]))


def test_an_empty_history_gives_the_learned_newcomer() -> None:
    items, age, mask = history()
    model = tower()
    torch.nn.init.normal_(model.out.bias)
    mask[1] = False
    users = model(items, age, mask)
    torch.testing.assert_close(users[1], model.out.bias)
    assert users.isfinite().all()
    none = torch.zeros(2, 0)
    torch.testing.assert_close(model(torch.zeros(2, 0, 8), none, none.bool())[0], model.out.bias)


@pytest.mark.parametrize("model", [tower(), blockwise()], ids=["whole", "blockwise"])
def test_a_table_of_items_gives_the_same(model: UserTower | BlockwiseUserTower) -> None:
    items, age, mask = history()
    mask[0, :3] = False
    items[1, 2, :4], items[:, 4, 2:4] = 0.0, 0.0  # blocks that the items lack
    rows = torch.arange(items.shape[0] * items.shape[1]).reshape(mask.shape)
    torch.testing.assert_close(model.from_table(items.flatten(0, 1), rows, age, mask), model(items, age, mask))


@pytest.mark.parametrize("model", [tower(), blockwise(), tower(4)], ids=["whole", "blockwise", "short"])
def test_subsets_of_one_history_give_the_same(model: UserTower | BlockwiseUserTower) -> None:
    (items, *_), (age, *_), _ = history()
    items[4, 2:4] = 0.0  # a block that the item lacks
    kept = torch.tensor([[True] * 7, [False] * 7, [True, False] * 3 + [True]])
    repeated = items.expand(3, 7, 8), age.expand(3, 7)
    torch.testing.assert_close(model.of_subsets(items, age, kept), model(*repeated, kept))


def test_blocks_are_kept_apart_and_the_rest_stays_zero() -> None:
    items, age, mask = history()
    model, other = blockwise(3), items.clone()
    other[..., 2:4] = torch.randn(other[..., 2:4].shape)
    before, after = model(items, age, mask), model(other, age, mask)
    assert (before[:, 2:4] != after[:, 2:4]).all()
    torch.testing.assert_close(before[:, [0, 1, 4, 5]], after[:, [0, 1, 4, 5]], rtol=0, atol=0)
    assert (before[:, 6:] == 0).all()


def test_items_that_lack_a_block_are_no_history_of_it() -> None:
    items, age, mask = history()
    model = blockwise(2)
    lacking = items.clone()
    lacking[:, ::2, 4:] = 0.0
    fewer = model(items[:, 1::2], age[:, 1::2], mask[:, 1::2])
    torch.testing.assert_close(model(lacking, age, mask)[:, 4:], fewer[:, 4:])
    torch.testing.assert_close(model(lacking, age, mask)[:, :4], model(items, age, mask)[:, :4])


def test_newer_clicks_weigh_more_at_the_start() -> None:
    weights = Recency(50, [0.1])(0.0, torch.zeros(1, 5), torch.ones(1, 5, dtype=torch.bool))[..., 0]
    assert (weights.diff() > 0).all()
    torch.testing.assert_close(weights.sum(), torch.tensor(1.0))


@pytest.mark.parametrize("model", [tower(), blockwise()], ids=["whole", "blockwise"])
def test_gradients_reach_every_parameter(model: torch.nn.Module) -> None:
    items, age, mask = history()
    model(items, age, mask).pow(3).sum().backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().sum() > 0, name


def test_ages_of_any_size_are_finite() -> None:
    age = torch.tensor([[-5.0, 0.0, 1.0, 1e12]])
    weights = Recency(50, [0.1])(0.0, age, torch.ones(1, 4, dtype=torch.bool))[..., 0]
    assert weights.isfinite().all()


def test_curves_are_straight_between_knots_and_flat_outside() -> None:
    values = torch.tensor([1.0, 3.0, -1.0])
    place = torch.tensor([-2.0, 0.0, 0.5, 1.0, 1.75, 2.0, 8.0])
    torch.testing.assert_close(interpolated(values, place), torch.tensor([1.0, 1.0, 2.0, 3.0, 0.0, -1.0, -1.0]))
