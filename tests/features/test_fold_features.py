"""Each group of features against its definition, written down once more in slow plain Python."""

import numpy as np
import pytest
from fold_reference import GROUPS, Reference
from fold_worlds import World, begun, busy_world, log_of, thorough, worlds
from hypothesis import given

from recsys.columns import Catalogue
from recsys.features.examples import HISTORY, Examples
from recsys.features.features import FEATURES, VARYING, WIDTH, attributes_of, title_signatures
from recsys.features.state import TASTE


@pytest.mark.parametrize("group", GROUPS)
@given(world=worlds())
@thorough(40)
def test_features_are_what_their_definition_says(group: str, world: World) -> None:
    examples = begun(world).run(log_of(world))
    for i in range(len(examples)):
        check_list(world, examples, i, [group])


def test_features_of_users_and_articles_beyond_what_is_remembered() -> None:
    world = busy_world(1)
    examples = begun(world).run(log_of(world), score_from=world.shown[-30].known_at)
    last = Reference(world, world.shown[-1])
    assert len(last.readers(1)) == 128
    assert max(len(Reference(world, s).my_clicks) for s in world.shown[-30:] if s.user == 1) == 100
    assert max(len(Reference(world, s).my_rows) for s in world.shown[-30:] if s.user == 1) == 256
    for i in range(len(examples)):
        check_list(world, examples, i, list(GROUPS))


def test_the_groups_cover_every_feature() -> None:
    world = busy_world(2, lists=3)
    known = Reference(world, world.shown[0])
    names = [name for group in GROUPS.values() for name in group(known, 1)]
    assert sorted(names) == sorted(FEATURES)
    assert len(FEATURES) == WIDTH


@given(world=worlds())
@thorough(40)
def test_only_the_leading_columns_vary_within_a_list(world: World) -> None:
    examples = begun(world).run(log_of(world))
    for first, last in zip(examples.offsets[:-1], examples.offsets[1:], strict=True):
        tail = examples.features[first:last, VARYING:]
        assert (tail == tail[0]).all()


@given(world=worlds())
@thorough(60)
def test_histories_are_the_newest_liked_clicks(world: World) -> None:
    examples = begun(world).run(log_of(world))
    lists = {s.position: s for s in world.shown}
    for i, position in enumerate(examples.position):
        liked = [c for c in Reference(world, lists[position]).my_clicks if c.weight > 0][-HISTORY:]
        front = HISTORY - len(liked)
        assert (examples.history[i, :front] == -1).all()
        assert examples.history[i, front:].tolist() == [c.article for c in liked]
        assert examples.history_at[i, front:].tolist() == [c.at for c in liked]


def test_reading_features_leaves_no_note_of_what_a_user_saw() -> None:
    world = busy_world(3, lists=40)
    replay = begun(world)
    replay.run(log_of(world))
    noted = replay.scratch
    for notes in (noted.times_shown, noted.last_shown, noted.times_clicked, noted.last_clicked):
        assert not notes.any()


def test_title_signatures_keep_cosines_and_zero_rows() -> None:
    titles = np.random.default_rng(0).standard_normal((300, 384)).astype(np.float32)
    titles[1::2] = titles[::2] + 0.7 * titles[1::2]  # pairs of similar titles
    titles[7] = 0.0
    signatures = title_signatures(titles)
    assert signatures.shape == (300, TASTE)
    assert not signatures[7].any()
    np.testing.assert_array_equal(signatures, title_signatures(titles))
    known = np.delete(np.arange(300), 7)
    unit = titles[known] / np.linalg.norm(titles[known], axis=1, keepdims=True)
    error = signatures[known] @ signatures[known].T - unit @ unit.T
    assert np.sqrt((error**2).mean()) < 1 / np.sqrt(TASTE)
    np.testing.assert_allclose(np.linalg.norm(signatures[known], axis=1), 1.0, rtol=1e-5)


def test_a_catalogue_gives_the_attributes_that_features_read() -> None:
    unknown, signatures = np.full(3, np.nan), np.zeros((3, TASTE), np.float32)
    section = np.array([-1, 1, 0])
    ids, known = np.array([None, "a", "b"]), np.ones(3, np.bool_)
    catalogue = Catalogue(ids, unknown, unknown, section, ("x", "y"), unknown + 1, unknown + 2, known)
    attributes = attributes_of(catalogue, signatures)
    assert attributes.sections == 2
    assert attributes.section is section
    assert attributes.premium is catalogue.premium
    assert attributes.length is catalogue.length
    assert attributes.published_at is catalogue.published_at
    assert attributes.signatures is signatures


def check_list(world: World, examples: Examples, i: int, groups: list[str]) -> None:
    """Compare some groups of features of one list with the reference."""
    target = next(s for s in world.shown if s.position == examples.position[i])
    known = Reference(world, target)
    rows = range(examples.offsets[i], examples.offsets[i + 1])
    assert examples.keys[rows.start : rows.stop].tolist() == list(target.items)
    for row, article in zip(rows, target.items, strict=True):
        for group in groups:
            expected = GROUPS[group](known, article)
            found = {name: examples.features[row, FEATURES.index(name)] for name in expected}
            for name, value in expected.items():
                assert found[name] == pytest.approx(value, rel=2e-5, abs=2e-5), (name, target, article)
