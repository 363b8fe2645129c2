"""What every fusion keeps, whatever it makes of the parts."""

import itertools
from pathlib import Path
from typing import get_args

import pytest
import torch
from made_articles import DIM, DIMS, IDS, N, all_there, inputs, made
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from recsys.model.fusion import BEHAVIOUR, FUSIONS, FusionConfig
from recsys.settings import Settings

pytestmark = pytest.mark.parametrize("name", FUSIONS)

MANY = [
    {"title": 7},
    {"zebra": 3, "ant": 5},
    {"a.b": 4, "Überschrift": 2, "": 3},
    {"title": 5, "summary": 4, "body": 6, "audio": 1},
]


def close(first: tuple[Tensor, ...], second: tuple[Tensor, ...], tolerance: float = 1e-5) -> None:
    for a, b in zip(first, second, strict=True):
        torch.testing.assert_close(a, b, rtol=tolerance, atol=tolerance)


def present(mask: dict[str, Tensor], id_rows: Tensor) -> Tensor:
    return torch.stack([*(mask[name] for name in sorted(mask)), id_rows >= 0], dim=1)


def test_the_setting_knows_it(name: str) -> None:
    assert name in get_args(Settings.model_fields["fusion"].annotation)


@pytest.mark.parametrize("dims", [{}, *MANY], ids=len)
def test_any_modalities_give_vectors_and_weights(name: str, dims: dict[str, int]) -> None:
    vectors, mask, id_rows = inputs(dims)
    fusion = made(name, dims)
    fused, weights = fusion(vectors, mask, id_rows)
    there = present(mask, id_rows)
    assert fusion.names == (*sorted(dims), BEHAVIOUR)
    assert fused.shape == (N, DIM)
    assert fused.dtype == weights.dtype == torch.float32
    assert fused.isfinite().all()
    torch.testing.assert_close(weights > 0, there)
    torch.testing.assert_close(weights.sum(dim=1), there.any(dim=1).float())
    assert ((fused != 0).any(dim=1) == there.any(dim=1)).all()


def test_whatever_is_missing(name: str) -> None:
    """All combinations of what an article can have, each the same beside the others and alone."""
    fusion = made(name)
    combinations = torch.tensor(list(itertools.product([False, True], repeat=3)))
    vectors, _, _ = inputs(n=len(combinations))
    mask = {modality: combinations[:, number] for number, modality in enumerate(fusion.modalities)}
    id_rows = torch.where(combinations[:, -1], torch.arange(len(combinations)) % IDS, -1)
    fused, weights = fusion(vectors, mask, id_rows)
    torch.testing.assert_close(weights > 0, combinations)
    assert (fused[0] == 0).all()
    assert (fused[1:].norm(dim=1) > 0.1).all()
    for row in range(len(combinations)):
        one = slice(row, row + 1)
        alone = fusion({m: v[one] for m, v in vectors.items()}, {m: v[one] for m, v in mask.items()}, id_rows[one])
        close(alone, (fused[one], weights[one]))


def test_parts_are_zeros_where_missing(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    vectors, mask, id_rows = inputs()
    fusion, seen = made(name), []
    monkeypatch.setattr(fusion, "fuse", lambda parts, there: seen.append((parts, there)))
    fusion(vectors, mask, id_rows)
    ((parts, there),) = seen
    torch.testing.assert_close(there, present(mask, id_rows))
    torch.testing.assert_close((parts != 0).any(dim=2), there)


def test_a_part_that_is_taken_out_is_as_if_it_never_was(name: str) -> None:
    vectors, mask, id_rows = inputs()
    fusion = made(name)
    parts, there = fusion.parts(vectors, mask, id_rows)
    for number, modality in enumerate(fusion.names):
        kept = torch.arange(len(fusion.names)) != number
        lacking = {m: known & (m != modality) for m, known in mask.items()}
        never = fusion(vectors, lacking, torch.full_like(id_rows, -1) if modality == BEHAVIOUR else id_rows)
        close(fusion.fuse(parts * kept[:, None], there & kept), never)


def test_no_article_at_all(name: str) -> None:
    fused, weights = made(name)(*inputs(n=0))
    assert fused.shape == (0, DIM)
    assert weights.shape == (0, len(DIMS) + 1)


@pytest.mark.parametrize("training", [False, True])
def test_an_article_with_nothing_at_all_is_zeros(name: str, training: bool) -> None:
    vectors, mask, _ = inputs()
    nothing = {modality: torch.zeros(N, dtype=torch.bool) for modality in mask}
    fused, weights = made(name).train(training)(vectors, nothing, torch.full((N,), -1))
    assert (fused == 0).all()
    assert (weights == 0).all()


@pytest.mark.parametrize("modality", DIMS)
def test_a_modality_multiplied_by_100_and_moved_changes_nothing(name: str, modality: str) -> None:
    vectors, mask, id_rows = inputs()
    one, other = made(name, standardised=False), made(name, standardised=False)
    one.standardise(vectors, mask)
    louder = {**vectors, modality: vectors[modality] * 100 - 30}
    other.standardise(louder, mask)
    close(one(vectors, mask, id_rows), other(louder, mask, id_rows), 1e-4)


@pytest.mark.parametrize("rubbish", [torch.nan, torch.inf, -torch.inf, 1e38])
def test_what_stands_in_a_missing_vector_goes_nowhere(name: str, rubbish: float) -> None:
    vectors, mask, id_rows = inputs()
    broken = {m: v.masked_fill(~mask[m][:, None], rubbish) for m, v in vectors.items()}
    clean, dirty = made(name), made(name)
    dirty.standardise(*inputs(n=200)[:2])
    close(clean(vectors, mask, id_rows), dirty(broken, mask, id_rows), 0.0)
    for fusion, given in ((clean, vectors), (dirty, broken)):
        torch.manual_seed(3)
        fusion.train()(given, mask, id_rows)[0].square().sum().backward()
    for (where, a), b in zip(clean.named_parameters(), dirty.parameters(), strict=True):
        assert a.grad is not None, where
        assert b.grad is not None, where
        torch.testing.assert_close(a.grad, b.grad, rtol=0, atol=0)


def test_missing_vectors_do_not_enter_the_constants(name: str) -> None:
    vectors, mask, _ = inputs()
    broken = {m: v.masked_fill(~mask[m][:, None], torch.nan) for m, v in vectors.items()}
    one, other = made(name, standardised=False), made(name, standardised=False)
    one.standardise(vectors, mask)
    other.standardise(broken, mask)
    for (where, a), b in zip(one.named_buffers(), other.buffers(), strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=0, msg=where)


def test_a_modality_that_is_constant_or_that_no_article_has(name: str) -> None:
    vectors, mask, id_rows = inputs()
    vectors["image"], mask["title"] = torch.ones_like(vectors["image"]), torch.zeros(N, dtype=torch.bool)
    fusion = made(name, standardised=False)
    fusion.standardise(vectors, mask)
    fused, weights = fusion(vectors, mask, id_rows)
    assert fused.isfinite().all()
    assert (weights[:, fusion.names.index("title")] == 0).all()


def test_the_order_of_modalities_decides_nothing(name: str) -> None:
    vectors, mask, id_rows = inputs()
    turned = dict(reversed(vectors.items())), dict(reversed(mask.items()))
    close(made(name)(vectors, mask, id_rows), made(name, dict(reversed(DIMS.items())))(*turned, id_rows), 0.0)


def test_evaluation_is_deterministic_and_training_is_not(name: str) -> None:
    fusion, given = made(name), inputs()
    close(fusion(*given), fusion(*given), 0.0)
    fusion.train()
    assert not torch.equal(fusion(*given)[0], fusion(*given)[0])


def test_an_article_is_the_same_in_any_batch(name: str) -> None:
    vectors, mask, id_rows = inputs(n=300)
    fusion = made(name)
    fused, weights = fusion(vectors, mask, id_rows)
    for rows in (torch.tensor([7]), torch.arange(299, -1, -3), torch.full((2000,), 11)):
        some = {m: v[rows] for m, v in vectors.items()}, {m: v[rows] for m, v in mask.items()}, id_rows[rows]
        close(fusion(*some), (fused[rows], weights[rows]))


@pytest.mark.parametrize("dims", MANY, ids=len)
def test_gradients_reach_every_parameter(name: str, dims: dict[str, int]) -> None:
    fusion = made(name, dims, modality_dropout=0.0, id_dropout=0.0).train()
    aim = torch.randn(N, DIM, generator=torch.Generator().manual_seed(4))
    (fusion(*inputs(dims))[0] * aim).sum().backward()
    for where, parameter in fusion.named_parameters():
        assert parameter.grad is not None, where
        assert parameter.grad.isfinite().all(), where
        assert parameter.grad.abs().sum() > 0, where


def test_a_new_fusion_has_gradients_to_leave_from(name: str) -> None:
    """The id embedding begins at zero, where a length has no gradient."""
    fusion = FUSIONS[name](FusionConfig(DIMS, IDS, DIM)).eval()
    assert (fusion.ids.weight == 0).all()
    aim = torch.randn(N, DIM, generator=torch.Generator().manual_seed(4))
    (nn.functional.normalize(fusion(*all_there(fusion))[0], dim=1) * aim).sum().backward()
    assert fusion.ids.weight.grad is not None
    lengths = fusion.ids.weight.grad.norm(dim=1)
    assert lengths.isfinite().all()
    assert 1e-6 < lengths.max() < 100


def test_weights_come_back_from_a_file(name: str, tmp_path: Path) -> None:
    fusion, given = made(name), inputs()
    save_file(fusion.state_dict(), tmp_path / "fusion.safetensors")
    again = FUSIONS[name](fusion.config).eval()
    assert not torch.equal(again(*given)[0], fusion(*given)[0])
    again.load_state_dict(load_file(tmp_path / "fusion.safetensors"))
    close(again(*given), fusion(*given), 0.0)


def test_training_drops_at_the_configured_rates_but_never_the_last_modality(name: str) -> None:
    many = 20_000
    fusion = made(name, modality_dropout=0.15, id_dropout=0.2).train()
    vectors, mask, id_rows = all_there(fusion, many)
    mask["image"][: many // 2] = False
    id_rows[: many // 2] = -1  # the first half has a title and nothing else
    with torch.no_grad():
        _, weights = fusion(vectors, mask, id_rows)
    kept = weights > 0
    assert kept.any(dim=1).all()
    torch.testing.assert_close(weights.sum(dim=1), torch.ones(many))
    assert kept[: many // 2, fusion.names.index("title")].all()
    rest = kept[many // 2 :].float().mean(dim=0)
    # what would lose everything (chance .15 * .15 * .2) keeps everything
    assert abs(1 - rest[fusion.names.index(BEHAVIOUR)].item() - 0.2 * (1 - 0.15**2)) < 0.01
    assert abs(1 - rest[fusion.names.index("title")].item() - 0.15 * (1 - 0.15 * 0.2)) < 0.01


@pytest.mark.parametrize("training", [False, True])
def test_an_id_dropped_for_certain_is_never_there(name: str, training: bool) -> None:
    vectors, mask, id_rows = inputs()
    fusion = made(name, modality_dropout=0.0, id_dropout=1.0).train(training)
    close(fusion(vectors, mask, id_rows), fusion(vectors, mask, torch.full_like(id_rows, -1)))


def test_scattered_ids_differ_and_the_others_stay_zero(name: str) -> None:
    fusion = FUSIONS[name](FusionConfig(DIMS, IDS, DIM))
    fusion.scatter_ids(torch.tensor([1, 3]))
    lengths = fusion.ids.weight.norm(dim=1)
    assert (lengths[[0, 2, 4, 5]] == 0).all()
    assert (lengths[[1, 3]] > 0.3).all()


def test_what_reads_content_is_neither_the_ids_nor_global(name: str) -> None:
    fusion = made(name)
    found = {id(parameter) for parameter in fusion.content_parameters()}
    others = {where for where, parameter in fusion.named_parameters() if id(parameter) not in found}
    assert all(id(parameter) in found for parameter in fusion.project.parameters())
    assert len(found) == len(fusion.content_parameters()) > 0
    assert "ids.weight" in others <= {"ids.weight", "logits", "missing", "kind"}


@pytest.mark.parametrize("told_by", ["title", "image", "both", "ids"])
def test_it_learns_where_the_signal_is(name: str, told_by: str) -> None:
    """Articles of four kinds: told by one modality, by half of each, or by the id alone; chance is a quarter."""
    torch.manual_seed(5)
    ids = 60 if told_by == "ids" else 0
    fusion = FUSIONS[name](FusionConfig(DIMS, ids, DIM)).train()
    kinds = nn.Parameter(torch.randn(4, DIM) / DIM**0.5)
    optimiser = torch.optim.Adam([*fusion.parameters(), kinds], lr=0.02)
    fusion.standardise(*_articles(1000, told_by, 0)[0][:2])
    losses, batches = [], [_articles(128, told_by, seed) for seed in range(10)]
    for step in range(60):
        given, kind = batches[step % 10]
        losses.append(nn.functional.cross_entropy(_scores(fusion(*given)[0], kinds), kind))
        optimiser.zero_grad()
        losses[-1].backward()
        optimiser.step()
    given, kind = _articles(400, told_by, 99)
    hits = (_scores(fusion.eval()(*given)[0], kinds).argmax(dim=1) == kind).float().mean()
    assert losses[-1] < 0.7 * losses[0]
    assert hits > 0.85


def _articles(n: int, told_by: str, seed: int) -> tuple[tuple[dict[str, Tensor], dict[str, Tensor], Tensor], Tensor]:
    generator = torch.Generator().manual_seed(seed)
    vectors = {m: torch.randn(n, dim, generator=generator) for m, dim in DIMS.items()}
    ids = torch.randint(0, 60, (n,), generator=generator)
    kind = ids % 4
    if told_by in DIMS:
        vectors[told_by][:, :4] += 4 * nn.functional.one_hot(kind, 4)
    if told_by == "both":
        vectors["title"][:, 0] += 6 * (kind % 2)
        vectors["image"][:, 0] += 6 * (kind // 2)
    mask = {m: torch.ones(n, dtype=torch.bool) for m in DIMS}
    return (vectors, mask, ids if told_by == "ids" else torch.full((n,), -1)), kind


def _scores(fused: Tensor, kinds: Tensor) -> Tensor:
    return nn.functional.normalize(fused, dim=1) @ nn.functional.normalize(kinds, dim=1).T / 0.2
