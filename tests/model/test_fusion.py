"""What each fusion does of its own."""

import pytest
import torch
from made_articles import DIM, DIMS, N, all_there, made
from torch import Tensor

from recsys.model.fusion import BEHAVIOUR, FUSIONS, Fusion, FusionConfig
from recsys.model.two_towers import TowerConfig, TwoTowers, unit


def changed(fusion: Fusion, modality: str) -> tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]:
    """What articles give before and after all vectors of one modality are dealt out anew."""
    vectors, mask, id_rows = all_there(fusion)
    return fusion(vectors, mask, id_rows), fusion({**vectors, modality: vectors[modality].flip(0)}, mask, id_rows)


@pytest.mark.parametrize("name", ["gated", "attention"])
def test_weights_are_chosen_for_each_article_by_all_it_has(name: str) -> None:
    """The title decides what the image and the id weigh against one another."""
    fusion = made(name)
    (_, before), (_, after) = changed(fusion, "title")
    image, ids = fusion.names.index("image"), fusion.names.index(BEHAVIOUR)
    if name == "gated":
        assert before.std(dim=0).max() > 1e-2
    assert ((before[:, image] / before[:, ids]) / (after[:, image] / after[:, ids]) - 1).abs().max() > 1e-2


@pytest.mark.parametrize("name", ["weighted", "late"])
def test_weights_are_the_same_for_all_articles_that_have_the_same(name: str) -> None:
    fusion = made(name)
    vectors, mask, id_rows = all_there(fusion)
    _, weights = fusion(vectors, mask, id_rows)
    torch.testing.assert_close(weights, weights[:1].expand(weights.shape))
    _, fewer = fusion(vectors, {**mask, "image": torch.zeros(N, dtype=torch.bool)}, id_rows)
    rest = [fusion.names.index("title"), fusion.names.index(BEHAVIOUR)]
    torch.testing.assert_close(fewer[:, rest], weights[:, rest] / weights[:, rest].sum(dim=1, keepdim=True))


@pytest.mark.parametrize("name", ["gated", "weighted"])
def test_a_sum_is_of_the_weighted_parts(name: str) -> None:
    fusion = made(name)
    vectors, mask, id_rows = all_there(fusion)
    nothing = {modality: torch.zeros(N, dtype=torch.bool) for modality in mask}
    alone = [fusion(vectors, {**nothing, m: mask[m]}, torch.full((N,), -1))[0] for m in fusion.modalities]
    parts = torch.stack([*alone, fusion(vectors, nothing, id_rows)[0]], dim=1)  # by itself a part has weight 1
    fused, weights = fusion(vectors, mask, id_rows)
    torch.testing.assert_close(fused, (weights[:, :, None] * parts).sum(dim=1), rtol=1e-4, atol=1e-5)


def test_weights_of_the_mlp_say_how_far_the_embedding_moves_without_a_part() -> None:
    fusion = made("mlp")
    vectors, mask, id_rows = all_there(fusion)
    fused, weights = fusion(vectors, mask, id_rows)
    without = [fusion(vectors, {**mask, m: torch.zeros(N, dtype=torch.bool)}, id_rows)[0] for m in fusion.modalities]
    moved = torch.stack([fused - other for other in (*without, fusion(vectors, mask, torch.full((N,), -1))[0])], 1)
    lengths = moved.norm(dim=2)
    torch.testing.assert_close(weights, lengths / lengths.sum(dim=1, keepdim=True), rtol=1e-3, atol=1e-4)


def test_the_mlp_says_what_it_does_not_look_at() -> None:
    fusion = made("mlp")
    image = fusion.modalities.index("image")
    first = fusion.layers[0]
    first.weight.data[:, image * DIM : (image + 1) * DIM] = 0
    first.weight.data[:, len(fusion.names) * DIM + image] = 0  # its flag
    _, weights = fusion(*all_there(fusion))
    assert (weights[:, image] < 1e-4).all()
    assert (weights[:, image] > 0).all()


def test_attention_needs_whole_heads() -> None:
    with pytest.raises(ValueError, match="multiple of 4"):
        FUSIONS["attention"](FusionConfig(DIMS, 5, 10))


def test_late_fusion_needs_room_for_every_block() -> None:
    with pytest.raises(ValueError, match="3 modalities do not fit into an embedding of 5"):
        FUSIONS["late"](FusionConfig(DIMS, 5, 5))


def test_a_block_of_late_fusion_knows_one_modality() -> None:
    fusion = made("late")
    width = DIM // 3
    for number, modality in enumerate(fusion.modalities):
        (before, _), (after, _) = changed(fusion, modality)
        differs = (before != after).any(dim=0)
        own = slice(number * width, (number + 1) * width)
        assert differs[own].any()
        assert not differs[: own.start].any()
        assert not differs[own.stop :].any()


def test_late_fusion_has_length_1_and_its_weights_share_it_out() -> None:
    fusion = made("late")
    fused, weights = fusion(*all_there(fusion))
    torch.testing.assert_close(fused.norm(dim=1), torch.ones(N))
    blocks = fused[:, : DIM // 3 * 3].unflatten(1, (3, DIM // 3))
    torch.testing.assert_close(blocks.square().sum(dim=2), weights)


def towers() -> TwoTowers:
    torch.manual_seed(0)
    made_towers = TwoTowers(DIMS, 5, TowerConfig(fusion="late", dim=DIM)).eval()
    made_towers.fusion = made("late")
    for tower in made_towers.user.towers:
        torch.nn.init.normal_(tower.out.bias, std=0.1)
    return made_towers


def score(model: TwoTowers, read: Tensor, item: Tensor) -> Tensor:
    """Of items (n, dim) for one reader who read ``read`` (h, dim), whose vector is as long as the tower made it."""
    return item @ model.user(read[None], torch.zeros(1, len(read)), torch.ones(1, len(read), dtype=torch.bool))[0]


def test_a_late_score_is_the_sum_of_the_scores_of_the_modalities() -> None:
    """Each of which needs nothing but that modality of the article and of what was read."""
    model, width = towers(), DIM // 3
    items = unit(model.fusion(*all_there(model.fusion))[0])
    whole = score(model, items[:5], items[5:])
    parts = []
    for number in range(3):
        alone = torch.zeros_like(items)
        part = slice(number * width, (number + 1) * width)
        alone[:, part] = items[:, part]
        parts.append(score(model, alone[:5], alone[5:]))
    torch.testing.assert_close(torch.stack(parts).sum(dim=0), whole)
    assert all(part.abs().max() > 1e-3 for part in parts)
    user = model.user(items[None, :5], torch.zeros(1, 5), torch.ones(1, 5, dtype=torch.bool))
    torch.testing.assert_close(items[5:] @ unit(user)[0], whole / user.norm())


def test_other_pictures_change_no_score_of_the_titles() -> None:
    model, width = towers(), DIM // 3
    title = slice(model.fusion.modalities.index("title") * width, (model.fusion.modalities.index("title") + 1) * width)
    (before, _), (after, _) = changed(model.fusion, "image")
    age, mask = torch.zeros(1, 5), torch.ones(1, 5, dtype=torch.bool)
    users = [model.user(items[None, :5], age, mask)[0, title] for items in (before, after)]
    torch.testing.assert_close(users[0], users[1], rtol=0, atol=0)
    torch.testing.assert_close(before[:, title] @ users[0], after[:, title] @ users[1], rtol=0, atol=0)
