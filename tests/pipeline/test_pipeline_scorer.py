"""From candidates to click probabilities, in two stages."""

from dataclasses import replace

import made_world
import numpy as np
import pytest
from pipeline_world import Made

from recsys.columns import Floats32, Ints
from recsys.features.features import REQUEST, RequestContext
from recsys.model.ranking_head import ListwiseHead
from recsys.pipeline import scorer
from recsys.pipeline.model import Heads

MODALITIES = ("image", "title")


@pytest.fixture(scope="module")
def heads(made: Made) -> Heads:
    assert made.model.heads is not None
    return made.model.heads


def rows_of(made: Made, keys: Ints, user_id: str = "u01") -> Floats32:
    return scorer.inputs(made.model.views, MODALITIES, made.reader, made.request(user_id), keys)


@pytest.fixture(scope="module")
def rows(made: Made) -> Floats32:
    """Of 80 candidates for one user."""
    return rows_of(made, np.arange(1, 81))


def score(heads: Heads, rows: Floats32) -> scorer.Scored:
    return scorer.score_many(heads.pointwise, [rows])[0]


def uncalibrated() -> ListwiseHead:
    return ListwiseHead(6, 3).eval()


def probabilities(heads: Heads, rows: Floats32) -> Floats32:
    return scorer.probabilities_of_lists(heads.listwise, [rows])[0]


class TestInputs:
    def test_names_and_widths_agree(self, rows: Floats32) -> None:
        names = scorer.input_names(MODALITIES)
        assert len(set(names)) == len(names) == rows.shape[1] == scorer.widths(MODALITIES)[0]
        assert names[-len(REQUEST) :] == REQUEST
        items, lists = scorer.listwise_inputs(rows[:9], np.array([0, 4, 9]))
        assert (items.shape[1], lists.shape[1]) == scorer.widths(MODALITIES)[1:]
        assert (len(items), len(lists)) == (9, 2)

    def test_they_are_finite_also_for_a_user_and_articles_of_whom_nothing_is_known(self, made: Made) -> None:
        for user_id in ("u01", made_world.NOBODY):
            keys = made.keys("a01", made_world.BARE, made_world.UNPUBLISHED, made_world.DELETED)
            assert np.isfinite(rows_of(made, keys, user_id)).all()

    def test_the_columns_of_the_request_are_the_same_for_all_candidates(self, rows: Floats32) -> None:
        assert (rows[:, -len(REQUEST) :] == rows[0, -len(REQUEST) :]).all()

    def test_a_candidate_has_the_same_inputs_in_any_company(self, made: Made, rows: Floats32) -> None:
        for keys in ([7, 3, 80], [3]):
            alone = rows_of(made, np.array(keys))
            np.testing.assert_allclose(alone, rows[np.array(keys) - 1], atol=1e-5)

    def test_computing_them_changes_nothing(self, made: Made, rows: Floats32) -> None:
        reader, request = made.reader, made.request("u02")
        before = [array.copy() for array in made.world.state]
        first = scorer.inputs(made.model.views, MODALITIES, reader, request, np.arange(1, 81))
        np.testing.assert_array_equal(
            scorer.inputs(made.model.views, MODALITIES, reader, request, np.arange(1, 81)), first
        )
        for was, now in zip(before, made.world.state, strict=True):
            np.testing.assert_array_equal(was, now)

    def test_the_context_is_an_input(self, made: Made) -> None:
        request = made.request()
        reading = replace(request, context=RequestContext(2, 1, 1, int(made.keys("a60")[0])))
        here, there = (
            scorer.inputs(made.model.views, MODALITIES, made.reader, r, made.keys("a64", "a65"))
            for r in (request, reading)
        )
        names = scorer.input_names(MODALITIES)
        changed = {name for name, column in zip(names, (here != there).T, strict=True) if column.any()}
        assert {"article_page", "desktop", "subscriber", "title_context", "learned_context"} <= changed
        assert not changed & {"title_mean", "learned", "clicks_2h", "user_clicks"}


class TestOrder:
    def test_candidates_are_ordered_by_their_utility(self, heads: Heads, rows: Floats32) -> None:
        scored = score(heads, rows)
        assert sorted(scored.order.tolist()) == list(range(80))
        assert np.isfinite(scored.utility).all()
        assert (np.diff(scored.utility[scored.order]) <= 0).all()
        assert len(set(scored.utility.tolist())) > 70
        np.testing.assert_array_equal(scored.rows, rows)

    @pytest.mark.parametrize("n", [0, 1])
    def test_none_and_one(self, heads: Heads, rows: Floats32, n: int) -> None:
        scored = score(heads, rows[:n])
        assert scored.order.tolist() == list(range(n))
        assert scored.utility.shape == (n,)

    def test_a_candidate_has_the_same_utility_in_any_company_and_order(self, heads: Heads, rows: Floats32) -> None:
        everything, mixed = score(heads, rows).utility, np.random.default_rng(0).permutation(80)
        np.testing.assert_allclose(score(heads, rows[mixed]).utility, everything[mixed], atol=1e-5)
        for i in (0, 33, 79):
            alone = score(heads, rows[i : i + 1]).utility
            np.testing.assert_allclose(alone, everything[i : i + 1], atol=1e-5)


class TestProbabilities:
    @pytest.mark.parametrize("n", [1, 2, 8, 80])
    def test_there_is_one_for_each_item(self, heads: Heads, rows: Floats32, n: int) -> None:
        p = probabilities(heads, rows[:n])
        assert p.shape == (n,)
        assert ((p > 0) & (p < 1)).all()

    def test_shares_of_a_choice_and_of_the_outside_option_add_up_to_one(self) -> None:
        logits = np.array([0.0, np.log(2), 300.0, -300.0], np.float32)
        shares = scorer.choice_shares(logits, np.array([0.0, -1000.0], np.float32), np.array([0, 2, 4]))
        np.testing.assert_allclose(shares, [0.25, 0.5, 1.0, 0.0], atol=1e-6)

    def test_they_are_the_shares_where_a_list_has_one_click(self) -> None:
        shares = np.array([0.0, 1e-30, 0.2, 1.0], np.float32)
        np.testing.assert_array_equal(scorer.click_probabilities(uncalibrated(), shares), shares)

    def test_else_their_odds_are_moved_and_their_order_stays(self) -> None:
        head, shares = uncalibrated(), np.array([0.0, 0.1, 0.5, 0.9, 1.0], np.float32)
        head.odds_slope.fill_(2.0)
        head.odds_shift.fill_(np.log(3.0))
        found = scorer.click_probabilities(head, shares)
        np.testing.assert_allclose(found[1:4], [1 / 28, 3 / 4, 243 / 244], rtol=1e-5)
        assert np.isfinite(found).all()
        assert (np.diff(found) > 0).all()

    def test_the_order_shown_does_not_matter(self, heads: Heads, rows: Floats32) -> None:
        p, backwards = (probabilities(heads, part) for part in (rows[:8], rows[:8][::-1]))
        np.testing.assert_allclose(backwards[::-1], p, atol=1e-5)

    def test_a_list_does_not_depend_on_those_computed_beside_it(self, rows: Floats32) -> None:
        items, lists = scorer.listwise_inputs(rows[:20], np.array([0, 7, 8, 20]))
        for number, (start, end) in enumerate(((0, 7), (7, 8), (8, 20))):
            alone, one = scorer.listwise_inputs(rows[start:end], np.array([0, end - start]))
            np.testing.assert_array_equal(items[start:end], alone)
            np.testing.assert_array_equal(lists[number], one[0])

    def test_the_company_of_other_lists_changes_no_probability(self, heads: Heads, rows: Floats32) -> None:
        parts = [rows[:7], rows[:0], rows[7:8], rows[8:20]]
        together = scorer.probabilities_of_lists(heads.listwise, parts)
        for part, found in zip(parts, together, strict=True):
            np.testing.assert_allclose(found, scorer.probabilities_of_lists(heads.listwise, [part])[0], atol=1e-5)

    def test_an_article_is_less_likely_to_be_clicked_beside_more_others(self, heads: Heads, rows: Floats32) -> None:
        few, many = (probabilities(heads, rows[:n]).mean() for n in (4, 60))
        assert many < few
