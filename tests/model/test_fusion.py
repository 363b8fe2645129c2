import pytest
import torch

from recsys.model.fusion import BEHAVIOUR, FusionConfig, GatedFusion

N = 12
DIMS = {"title": 10, "image": 6}


def inputs(seed: int = 0):
    generator = torch.Generator().manual_seed(seed)
    vectors = {name: torch.randn(N, dim, generator=generator) for name, dim in DIMS.items()}
    mask = {name: torch.ones(N, dtype=torch.bool) for name in DIMS}
    mask["image"][:4] = False
    id_rows = torch.arange(N) % 5
    id_rows[2:6] = -1
    return vectors, mask, id_rows


def fusion(dims=None, **options) -> GatedFusion:
    torch.manual_seed(1)
    made = GatedFusion(FusionConfig(DIMS if dims is None else dims, ids=5, dim=8, gate=4, **options)).eval()
    torch.nn.init.normal_(made.ids.weight)
    return made


def test_weights_sum_to_one_over_what_is_there() -> None:
    vectors, mask, id_rows = inputs()
    fused, weights = fusion()(vectors, mask, id_rows)
    assert fused.shape == (N, 8)
    torch.testing.assert_close(weights.sum(dim=1), torch.ones(N))
    names = fusion().names
    assert (weights[:4, names.index("image")] == 0).all()
    assert (weights[2:6, names.index(BEHAVIOUR)] == 0).all()
    assert (weights[6:] > 0).all()


def test_a_modality_multiplied_by_100_changes_nothing() -> None:
    vectors, mask, id_rows = inputs()
    one, other = fusion(), fusion()
    one.standardise(vectors, mask)
    louder = {**vectors, "image": vectors["image"] * 100}
    other.standardise(louder, mask)
    for a, b in zip(one(vectors, mask, id_rows), other(louder, mask, id_rows), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5)


def test_a_missing_modality_is_not_read() -> None:
    vectors, mask, id_rows = inputs()
    model = fusion()
    model.standardise(vectors, mask)
    broken = {**vectors, "image": vectors["image"].clone()}
    broken["image"][:4] = torch.nan
    for a, b in zip(model(vectors, mask, id_rows), model(broken, mask, id_rows), strict=True):
        torch.testing.assert_close(a, b)


def test_an_article_with_nothing_at_all_is_zeros() -> None:
    vectors, mask, _ = inputs()
    nothing = {name: torch.zeros(N, dtype=torch.bool) for name in mask}
    for model in (fusion(), fusion().train()):
        fused, weights = model(vectors, nothing, torch.full((N,), -1))
        assert (fused == 0).all()
        assert (weights == 0).all()


def test_the_order_of_modalities_decides_nothing() -> None:
    vectors, mask, id_rows = inputs()
    turned = dict(reversed(vectors.items())), dict(reversed(mask.items()))
    one, other = fusion(), fusion(dict(reversed(DIMS.items())))
    for a, b in zip(one(vectors, mask, id_rows), other(*turned, id_rows), strict=True):
        torch.testing.assert_close(a, b)


@pytest.mark.parametrize("dims", [{}, {"title": 10}, {"title": 10, "image": 6, "audio": 3}])
def test_any_number_of_modalities(dims) -> None:
    vectors = {name: torch.randn(N, dim) for name, dim in dims.items()}
    mask = {name: torch.ones(N, dtype=torch.bool) for name in dims}
    fused, weights = fusion(dims)(vectors, mask, torch.arange(N) % 5)
    assert fused.isfinite().all()
    assert weights.shape == (N, len(dims) + 1)


def test_gradients_reach_every_parameter() -> None:
    vectors, mask, id_rows = inputs()
    model = fusion().train()
    model(vectors, mask, id_rows)[0].square().sum().backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
        assert parameter.grad.abs().sum() > 0, name


def test_the_id_embedding_begins_at_zero() -> None:
    assert (GatedFusion(FusionConfig(DIMS, ids=5)).ids.weight == 0).all()


def test_training_drops_at_the_configured_rates_but_never_the_last_modality() -> None:
    many = 20_000
    vectors = {name: torch.randn(many, dim) for name, dim in DIMS.items()}
    mask = {name: torch.ones(many, dtype=torch.bool) for name in DIMS}
    mask["image"][: many // 2] = False
    id_rows = torch.zeros(many, dtype=torch.long)
    id_rows[: many // 2] = -1  # the first half has a title and nothing else
    model = fusion(modality_dropout=0.15, id_dropout=0.2).train()
    with torch.no_grad():
        _, weights = model(vectors, mask, id_rows)
    kept = weights > 0
    assert kept.any(dim=1).all()
    assert kept[: many // 2, model.names.index("title")].all()
    rest = kept[many // 2 :].float().mean(dim=0)
    # what would lose everything (chance .15 * .15 * .2) keeps everything
    assert abs(1 - rest[model.names.index(BEHAVIOUR)].item() - 0.2 * (1 - 0.15**2)) < 0.01
    assert abs(1 - rest[model.names.index("title")].item() - 0.15 * (1 - 0.15 * 0.2)) < 0.01


def test_the_gate_looks_at_the_article() -> None:
    vectors, mask, id_rows = inputs()
    _, weights = fusion()(vectors, mask, id_rows)
    assert weights[6:].std(dim=0).max() > 1e-3


def test_constant_vectors_are_standardised_without_dividing_by_zero() -> None:
    vectors, mask, id_rows = inputs()
    vectors["image"] = torch.ones(N, 6)
    model = fusion()
    model.standardise(vectors, mask)
    assert model(vectors, mask, id_rows)[0].isfinite().all()


def test_scattered_ids_differ_and_the_others_stay_zero() -> None:
    model = GatedFusion(FusionConfig(DIMS, ids=5))
    model.scatter_ids(torch.tensor([1, 3]))
    lengths = model.ids.weight.norm(dim=1)
    assert (lengths[[0, 2, 4, 5]] == 0).all()
    assert (lengths[[1, 3]] > 0.5).all()
