"""The sample's side of the ablation, on a made world of news that trains in a second."""

from collections.abc import Iterator

import ablation_sample
import numpy as np
import pytest
import torch
from ablation_rows import Measured
from ablation_sample import LISTS, TOWERS, SampleTrials
from made_world import SPLIT, install, plain_settings
from modalities import IMAGE, TITLE, Condition
from threadpoolctl import threadpool_limits

from recsys.encoders import expected_ids
from recsys.model.fusion import BEHAVIOUR
from recsys.pipeline.load import load_dataset


@pytest.fixture(scope="module")
def trials(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SampleTrials]:
    settings = plain_settings(tmp_path_factory.mktemp("ablation") / "home")
    sessions = install(settings)
    with sessions() as session:
        data = load_dataset(session, expected_ids(settings))
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    with threadpool_limits(1):
        yield SampleTrials(settings, data, SPLIT)
    torch.set_num_threads(threads)
    sessions.kw["bind"].dispose()


def test_images_decide_nothing_where_titles_alone_are_looked_at(trials: SampleTrials) -> None:
    plain, dropped = measured(trials, Condition("title", "made", (TITLE,), dropped=(0.0, 1.0)))
    (mixed,) = measured(trials, Condition("title", "made", (TITLE,), shuffled=True))
    assert set(plain) == {LISTS, TOWERS}
    assert figures(plain) == figures(dropped) == figures(mixed)


def test_images_decide_something_where_they_are_looked_at(trials: SampleTrials) -> None:
    plain, dropped = measured(trials, Condition("both", "made", (TITLE, IMAGE), dropped=(0.0, 1.0)))
    for test in (LISTS, TOWERS):
        assert figures(plain)[test] != figures(dropped)[test]


def test_weights_of_a_sum_are_chosen_before_the_split(trials: SampleTrials, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ablation_sample, "TEST_DAYS", 1)
    ends = []
    trained = ablation_sample.trained
    monkeypatch.setattr(ablation_sample, "trained", lambda *a, **k: ends.append(a[2]) or trained(*a, **k))
    prepared = trials.prepare(Condition("sum", "made", (TITLE, BEHAVIOUR), summed=True))
    assert ends == [SPLIT - 86400.0] * 2
    assert sum(prepared.notes["lists_weights"].values()) == pytest.approx(1.0)
    (found,) = prepared.measure(0)
    assert list(found) == [LISTS]
    assert found[LISTS][0].means["auc"] > 0.5


def test_logits_are_standardised_within_their_list() -> None:
    logits = np.array([1, 3, 5, 7, 9, 4, 4], np.float32)
    scaled = ablation_sample.standardised(logits, np.array([0, 2, 5, 7]))
    np.testing.assert_allclose(scaled, [-1, 1, -1.2247449, 0, 1.2247449, 0, 0], rtol=1e-5)


def measured(trials: SampleTrials, condition: Condition) -> list[Measured]:
    return trials.prepare(condition).measure(0)


def figures(measured: Measured) -> dict[str, dict[str, float]]:
    return {test: results[0].means for test, results in measured.items()}
