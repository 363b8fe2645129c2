"""What a process remembers of its newest answers, against what training kept in the snapshot."""

from dataclasses import replace

import made_world
import numpy as np
import pytest

from recsys.database import models
from recsys.pipeline.drift import REFERENCE, SCORE
from recsys.pipeline.recommend import Answer
from recsys.pipeline.scorer import input_names
from recsys.serving.recent import FEWEST_ROWS, Recent
from recsys.snapshots.manifest import read_manifest
from recsys.snapshots.snapshot import read_snapshot


@pytest.fixture
def model(site):
    return read_snapshot(site.snapshot(), lambda _ids: {})


def names(model):
    return input_names(model.views.towers.content_space.present)


def below(edges):
    """The values that end the bins of these edges, as the head has them: a rounded edge may lie in the next bin."""
    return np.nextafter(edges.astype(np.float32), np.float32(-np.inf))


def answered(model, count, moved=0.0):
    """Answers of ten articles whose inputs are as the reference has them, but for what moved."""
    kept, draw = model.metrics[REFERENCE], np.random.default_rng(0)
    middle = [np.array(kept[name]["edges"][1:]) for name in names(model)]
    for _ in range(count):
        rows = below(np.stack([draw.choice(edges, 10) for edges in middle], axis=1)) + np.float32(moved)
        scores = below(draw.choice(np.array(kept[SCORE]["edges"][1:]), 10))
        yield Answer(np.arange(10), scores, ["fresh"] * 10, rows)


def test_training_keeps_the_reference_in_the_snapshot_alone(site, model):
    kept = read_manifest(site.snapshot()).metrics[REFERENCE]
    assert set(kept) == {SCORE, *names(model)}
    with site.sessions() as session:
        assert REFERENCE not in models.get_version(session).metrics["training"]


def test_few_answers_say_nothing_of_drift(model):
    recent = Recent()
    for answer in answered(model, FEWEST_ROWS // 10 - 1):
        recent.note(model.version, answer)
    assert recent.drift(model) == {}
    for answer in answered(model, 1):
        recent.note(model.version, answer)
    assert set(recent.drift(model)) == {SCORE, *names(model)}


def test_inputs_that_left_the_range_of_the_training_have_drifted(model):
    plain, moved = Recent(), Recent()
    for one, other in zip(answered(model, 200), answered(model, 200, moved=1e9), strict=True):
        plain.note(model.version, one)
        moved.note(model.version, other)
    before, after = plain.drift(model), moved.drift(model)
    assert all(after[name] > before[name] + 1.0 for name in names(model))
    assert after[SCORE] == before[SCORE]


def test_answers_of_another_version_do_not_count(model):
    recent = Recent()
    for answer in answered(model, 200):
        recent.note("another", answer)
    assert recent.drift(model) == {}
    assert recent.drift(None) == {}


def test_a_model_without_a_reference_has_no_drift(model):
    recent, older = Recent(), replace(model, metrics={})
    for answer in answered(model, 200):
        recent.note(model.version, answer)
    assert recent.drift(older) == {}


def test_previews_are_not_remembered(site):
    recommender = site.recommender()
    for user in range(40):
        recommender.recommend(made_world.user_id(1 + user), limit=50, log=False, at=made_world.NOW)
    assert recommender.recent.drift(recommender.live.model) == {}
