"""The trap between training and serving: both must give a candidate the same inputs.

Training reads the log as columns and keeps users in rings; serving reads the user from SQL at request time, and its
articles were folded as they came. The same list at the same time must have the same row, whichever way it is computed.
"""

import made_world
import numpy as np
import pytest
from serving_site import Site

from recsys.columns import Floats32
from recsys.domain import Impression
from recsys.evaluation import evaluate
from recsys.features.features import REQUEST, VARYING
from recsys.features.replay import Replay
from recsys.pipeline import scorer
from recsys.pipeline.load import load_dataset
from recsys.serving.live import SETTLED, Live
from recsys.training.replayed import Link, replayed

CHOSEN = (0, 1, 3, 50, 51, 120, 201, 299, 333, 400, 401, 487, 550, 551, 552, 570, 597, 599)


def served(site: Site, live: Live, shown: Impression) -> Floats32:
    """The inputs that a request for this list would be ranked by."""
    assert live.model is not None
    recommender = site.recommender(live)
    with site.sessions() as session:
        request = recommender._request(session, shown.user_id, shown.context, shown.at, None, ())
    keys = np.array([site.key(item) for item in shown.items])
    modalities = live.model.views.towers.content_space.present
    return scorer.inputs(live.model.views, modalities, live.reader(), request, keys)


@pytest.fixture
def shown() -> list[Impression]:
    return made_world.made_log()[0]


def test_serving_ranks_by_what_training_and_evaluation_saw(site: Site, shown: list[Impression]) -> None:
    model = site.live().model
    assert model is not None
    modalities = model.views.towers.content_space.present
    with site.sessions() as session:
        data = load_dataset(session, site.encoders)
    examples = Replay(data.attributes, data.users).run(data.log)
    chain, again = [Link(0, model.views), Link(len(examples), model.views)], Replay(data.attributes, data.users)
    trained = replayed(again, data.log, (-np.inf, np.inf), chain, modalities, lambda _stage, _done, _total: None).rows
    np.testing.assert_array_equal(evaluate.inputs(model, examples), trained)
    clicked = 0.0
    for i in CHOSEN:
        list_, (start, end) = shown[i], examples.offsets[i : i + 2]
        assert (examples.at[i], examples.user[i]) == (list_.at, site.user_key(list_.user_id))
        rows, expected = served(site, site.live(until=list_.at), list_), trained[start:end]
        clicked += rows[:, scorer.input_names(modalities).index("user_clicks")].sum()
        # the fold gives the same bits; users' vectors are products of other shapes
        np.testing.assert_array_equal(rows[:, :VARYING], expected[:, :VARYING])
        np.testing.assert_array_equal(rows[:, -len(REQUEST) :], expected[:, -len(REQUEST) :])
        np.testing.assert_allclose(rows, expected, atol=1e-6)
    assert clicked > 50


def test_a_process_that_followed_the_log_ranks_by_the_same(site: Site, shown: list[Impression]) -> None:
    live = site.live(until=shown[300].at)
    for i in range(310, 600, 58):
        live.refresh(shown[i].at - 0.5 + SETTLED)
        expected = served(site, site.live(until=shown[i].at), shown[i])
        np.testing.assert_array_equal(served(site, live, shown[i]), expected)
