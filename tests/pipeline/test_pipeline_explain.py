"""Explanations against the same figures worked out one by one, the slow and plain way."""

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from itertools import combinations
from math import factorial

import made_world
import numpy as np
import pytest
import torch
from made_answers import recommend
from pipeline_world import Made, reading

from recsys.columns import NONE, Floats32, Ints
from recsys.features.features import REQUEST, VARYING, RequestContext
from recsys.features.history import UserView
from recsys.model.ranking_head import PointwiseHead
from recsys.pipeline import affinity, explain
from recsys.pipeline.content import Content
from recsys.pipeline.model import Model, Views, views_of
from recsys.pipeline.recommend import Answer, blended
from recsys.pipeline.situation import Request
from recsys.pipeline.variants import Variants

LIMIT = 10


def without(request: Request, key: int) -> Request:
    """The reader as if an article had never been read, for the towers and the content."""
    view = request.view
    kept = view.clicked != key
    clicks = view.clicked[kept], view.clicked_at[kept], view.clicked_weight[kept]
    return replace(request, view=UserView(*clicks, view.shown, view.shown_at))


def utilities(model: Model, views: Views, request: Request, given: Answer) -> Floats32:
    """Of an answer's articles as these views see them, with every other input as it was."""
    if model.heads is None:
        return blended(replace(model, views=views), request, given.keys)
    modalities, context = views.towers.content_space.present, request.context.context_article
    user = affinity.user_vectors(views, request.history[None], request.ages[None])[0]
    rows = given.rows.copy()
    columns = affinity.affinities(views, modalities, given.keys, user, request.history, context)
    rows[:, VARYING : VARYING + columns.shape[1]] = columns
    with torch.inference_mode():
        return np.asarray(model.heads.pointwise(torch.from_numpy(rows)).numpy())


def masked(made: Made, model: Model, asked: Request, keys: Ints, present: tuple[str, ...]) -> Views:
    """Views in which these articles have only some modalities; what was read and where one is stays whole."""
    content, towers = made.data.content, model.views.towers
    every = {
        n: np.where(np.isin(np.arange(len(m)), keys) & (n not in present), False, m) for n, m in content.mask.items()
    }
    vectors = {name: np.where(every[name][:, None], v, 0.0).astype(np.float32) for name, v in content.vectors.items()}
    nobody = keys if "behaviour" not in present else keys[:0]
    strangers = towers.rekeyed(np.where(np.isin(towers.id_keys, nobody), NONE, towers.id_keys))
    views = views_of(strangers, Content(vectors, every), keys)
    others = np.setdiff1d([*asked.history, asked.context.context_article], [*keys, NONE])
    views.put(content, others.astype(np.int64))
    return views


def by_hand(players: tuple[str, ...], value: Callable[[tuple[str, ...]], Floats32]) -> dict[str, Floats32]:
    """Shapley values by the formula."""
    found = {}
    for player in players:
        others = [name for name in players if name != player]
        terms = []
        for size in range(len(players)):
            chance = factorial(size) * factorial(len(players) - size - 1) / factorial(len(players))
            terms += [chance * (value((*some, player)) - value(some)) for some in combinations(others, size)]
        found[player] = np.sum(terms, axis=0)
    return found


@pytest.fixture(params=["head", "blend"])
def model(made: Made, request: pytest.FixtureRequest) -> Model:
    return made.model if request.param == "head" else replace(made.model, heads=None)


@pytest.fixture(params=["front page", "article page"])
def asked(made: Made, request: pytest.FixtureRequest) -> Request:
    if request.param == "front page":
        return made.request("u02")
    (here, *read) = made.keys("a61", "a40", made_world.BARE, "a40", "a10", "a55").tolist()  # one of them twice
    return replace(reading(*read), context=RequestContext(2, 1, 1, here))


@pytest.fixture
def given(made: Made, model: Model, asked: Request) -> Answer:
    return recommend(model, made.reader, asked, LIMIT, diversity=0.2, section_cap=4)


class TestClicks:
    def test_leaving_out_each_article_that_was_read(self, model: Model, asked: Request, given: Answer) -> None:
        variants = Variants(model, asked, given.keys, given.rows)
        read, effects = variants.read, explain.click_effects(variants)
        assert read.tolist() == sorted(set(asked.history.tolist()))
        assert effects.shape == (LIMIT, len(read))
        whole = utilities(model, model.views, asked, given)
        for key, effect in zip(read.tolist(), effects.T, strict=True):
            less = utilities(model, model.views, without(asked, key), given)
            np.testing.assert_allclose(effect, whole - less, atol=2e-4)
        assert np.abs(effects).max() > 0.01

    def test_the_only_click(self, made: Made, model: Model) -> None:
        asked = reading(*made.keys("a40").tolist())
        given = recommend(model, made.reader, asked, LIMIT, diversity=0.2, section_cap=4)
        effects = explain.click_effects(Variants(model, asked, given.keys, given.rows))
        nobody = replace(asked, view=reading().view)
        expected = utilities(model, model.views, asked, given) - utilities(model, model.views, nobody, given)
        np.testing.assert_allclose(effects[:, 0], expected, atol=2e-4)

    def test_the_two_that_count_most(self, model: Model, asked: Request, given: Answer) -> None:
        variants = Variants(model, asked, given.keys, given.rows)
        read, effects = variants.read, explain.click_effects(variants)
        for why, by_click in zip(explain.explained(model, asked, given.keys, given.rows), effects, strict=True):
            assert len(why.clicks) == min(2, np.count_nonzero(by_click))
            largest = sorted(np.abs(by_click), reverse=True)[: len(why.clicks)]
            assert [abs(logits) for _, logits in why.clicks] == pytest.approx(largest)
            for key, logits in why.clicks:
                assert logits == pytest.approx(float(by_click[read == key][0]))


class TestModalities:
    def test_shapley_values(self, made: Made, model: Model, asked: Request, given: Answer) -> None:
        names = model.views.towers.modalities
        shares, _ = explain.modality_effects(Variants(model, asked, given.keys, given.rows))

        @cache
        def value_of(present: frozenset[str]) -> Floats32:
            return utilities(model, masked(made, model, asked, given.keys, tuple(present)), asked, given)

        def value(present: tuple[str, ...]) -> Floats32:
            return value_of(frozenset(present))

        for name, expected in by_hand(names, value).items():
            np.testing.assert_allclose(shares[:, names.index(name)], expected, atol=5e-4)
        np.testing.assert_allclose(shares.sum(axis=1), value(names) - value(()), atol=5e-4)
        np.testing.assert_allclose(value(names), utilities(model, model.views, asked, given), atol=1e-5)
        assert np.abs(shares).max() > 0.01

    def test_what_an_article_lacks_adds_nothing(self, made: Made, model: Model) -> None:
        asked, names = made.request("u02"), model.views.towers.modalities
        keys = made.keys("a10", made_world.BARE)
        rows = np.zeros((2, made.model.heads.pointwise.standardise.mean.shape[0]), np.float32)  # type: ignore[union-attr]
        (imageless, bare), _ = explain.modality_effects(Variants(model, asked, keys, rows))
        assert imageless[names.index("image")] == pytest.approx(0.0, abs=1e-6)
        assert abs(imageless[names.index("title")]) > 1e-3
        assert bare[names.index("title")] == pytest.approx(0.0, abs=1e-6)

    def test_weights_are_those_of_the_fusion(self, made: Made, model: Model, asked: Request, given: Answer) -> None:
        expected = model.views.towers.item_vectors(made.data.content, given.keys)[1]
        _, weights = explain.modality_effects(Variants(model, asked, given.keys, given.rows))
        np.testing.assert_allclose(weights, expected, atol=1e-5)

    def test_of_an_article_that_has_title_alone(self, made: Made) -> None:
        keys, asked = made.keys("a10", made_world.BARE), made.request("u02")
        rows = np.zeros((2, made.model.heads.pointwise.standardise.mean.shape[0]), np.float32)  # type: ignore[union-attr]
        _, (title, bare) = explain.modality_effects(Variants(made.model, asked, keys, rows))
        assert sum(title) == pytest.approx(1.0, abs=1e-4)
        assert title[made.model.views.towers.modalities.index("image")] == 0.0
        assert not bare.any()


class TestInputs:
    def test_integrated_gradients_along_the_way(self, made: Made) -> None:
        asked = made.request("u02")
        given = recommend(made.model, made.reader, asked, LIMIT, diversity=0.2, section_cap=4)
        effects = explain.input_effects(made.model, given.rows)
        assert made.model.heads is not None
        np.testing.assert_allclose(effects, by_steps(made.model.heads.pointwise, given.rows), atol=1e-4)

    def test_they_add_up_to_the_difference_from_the_mean(self) -> None:
        torch.manual_seed(3)
        head = PointwiseHead(7, hidden=5).eval()
        rows = torch.randn(6, 7) * 3
        head.standardise.fit(torch.randn(50, 7) * 2 + 1)
        rows[0] = head.standardise.mean  # nothing to explain
        rows[1, 0] = 1e6  # is cut
        with torch.inference_mode():
            effects = head.contributions(rows)
            expected = head(rows) - head(head.standardise.mean[None])
        np.testing.assert_allclose(effects.sum(dim=1), expected, atol=1e-5)
        assert not effects[0].any()
        assert effects.isfinite().all()

    def test_the_five_that_count_most(self, made: Made) -> None:
        asked = made.request("u02")
        given = recommend(made.model, made.reader, asked, LIMIT, diversity=0.2, section_cap=4)
        for why, row in zip(explain.explained(made.model, asked, given.keys, given.rows), given.rows, strict=True):
            assert len(why.inputs) == 5
            sizes = [abs(logits) for _, _, logits in why.inputs]
            assert sizes == sorted(sizes, reverse=True)
            assert not {name for name, _, _ in why.inputs} & set(REQUEST)
            assert {value for _, value, _ in why.inputs} <= set(row.tolist())

    def test_none_without_a_head(self, made: Made) -> None:
        model, asked = replace(made.model, heads=None), made.request("u02")
        given = recommend(model, made.reader, asked, LIMIT, diversity=0.2, section_cap=4)
        assert [why.inputs for why in explain.explained(model, asked, given.keys, given.rows)] == [[]] * LIMIT


def by_steps(head: PointwiseHead, rows: Floats32, steps: int = 400) -> Floats32:
    """Integrated gradients by the midpoint rule."""
    inputs = head.standardise(torch.from_numpy(rows))
    total = torch.zeros_like(inputs)
    for step in range(steps):
        on_the_way = (inputs * ((step + 0.5) / steps)).detach().requires_grad_()
        (slope,) = torch.autograd.grad(head.layers(on_the_way).sum(), on_the_way)
        total += slope
    return np.asarray((inputs * total / steps).numpy())


class TestReaders:
    def test_a_reader_of_whom_nothing_is_known(self, made: Made, model: Model) -> None:
        asked = made.request(made_world.NOBODY)
        given = recommend(model, made.reader, asked, LIMIT, diversity=0.2, section_cap=4)
        found = explain.explained(model, asked, given.keys, given.rows)
        assert [(why.clicks, why.nearest) for why in found] == [([], [])] * LIMIT
        assert all(np.isfinite(list(why.shapley.values())).all() for why in found)

    def test_no_article(self, made: Made, model: Model) -> None:
        asked = replace(made.request("u02"), section="weather")
        given = recommend(model, made.reader, asked, LIMIT, diversity=0.2, section_cap=4)
        assert explain.explained(model, asked, given.keys, given.rows) == []
