"""Cached vectors: what an encoder has yet to see, and float16 there and back."""

import numpy as np
import pytest

from recsys.database import articles, unpictured, vectors
from recsys.database.session import writing
from recsys.database.vectors import Content
from recsys.domain import Article

DIM = 8
HALF_STEP = 2.0**-11  # float16 keeps 11 significant bits


@pytest.fixture
def session(sessions):
    with writing(sessions) as opened:
        articles.put_articles(opened, [Article(name, f"Title {name}") for name in "abc"])
        yield opened


@pytest.fixture
def keys(session):
    return articles.keys_of(session, "abc")


def vector(seed):
    return np.random.default_rng(seed).normal(size=DIM).astype(np.float32)


def load(session, keys, encoder="title-1", modality="title"):
    return vectors.load_vectors(session, modality, encoder, DIM, np.array(list(keys), np.int64))


def waiting(session, encoder="title-1", modality="title", limit=10):
    found = vectors.not_encoded(session, modality, encoder, limit)
    assert vectors.count_not_encoded(session, modality, encoder) >= len(found)
    return [article.article_id for _, article in found]


def put(session, contents, found, encoder="title-1", modality="title"):
    vectors.put_contents(session, modality, encoder, contents, found)


def test_vectors_come_back_to_the_precision_of_float16(session, keys):
    stored = {"ha": vector(1), "hb": vector(2)}
    put(session, [Content(keys["a"], "ha", "ok"), Content(keys["b"], "hb", "ok")], stored)
    loaded, mask = load(session, [keys["b"], keys["c"], keys["a"]])
    assert loaded.dtype == np.float32
    assert list(mask) == [True, False, True]
    np.testing.assert_allclose(loaded[[2, 0]], [stored["ha"], stored["hb"]], rtol=HALF_STEP)
    assert not loaded[1].any()


def test_an_article_asked_for_twice_is_answered_twice(session, keys):
    put(session, [Content(keys["a"], "ha", "ok")], {"ha": vector(1)})
    loaded, mask = load(session, [keys["a"], keys["b"], keys["a"]])
    assert list(mask) == [True, False, True]
    np.testing.assert_array_equal(loaded[0], loaded[2])
    assert loaded[0].any()


def test_equal_content_shares_one_vector(session, keys):
    put(session, [Content(keys["a"], "same", "ok")], {"same": vector(1)})
    assert vectors.known_hashes(session, "title-1", ["same", "other"]) == {"same"}
    put(session, [Content(keys["b"], "same", "ok")], {})
    loaded, mask = load(session, [keys["a"], keys["b"]])
    assert mask.all()
    np.testing.assert_array_equal(loaded[0], loaded[1])


def test_vectors_belong_to_one_encoder_and_one_modality(session, keys):
    put(session, [Content(keys["a"], "ha", "ok")], {"ha": vector(1)})
    assert vectors.known_hashes(session, "title-2", ["ha"]) == set()
    for encoder, modality in (("title-2", "title"), ("title-1", "image")):
        assert not load(session, [keys["a"]], encoder, modality)[1].any()
        assert waiting(session, encoder, modality) == ["c", "b", "a"]


def test_what_an_encoder_has_not_looked_at_comes_newest_first(session, keys):
    assert waiting(session) == ["c", "b", "a"]
    assert waiting(session, limit=2) == ["c", "b"]
    put(session, [Content(keys["c"], None, "missing"), Content(keys["a"], "ha", "broken")], {})
    assert vectors.not_encoded(session, "title", "title-1", 10) == [(keys["b"], Article("b", "Title b"))]
    assert vectors.count_not_encoded(session, "title", "title-1") == 1


def test_a_rewritten_article_is_looked_at_again_and_a_deleted_one_is_not(session, keys):
    put(session, [Content(keys[name], f"h{name}", "ok") for name in "abc"], {f"h{name}": vector(1) for name in "abc"})
    assert waiting(session) == []
    articles.put_articles(session, [Article("a", "Another title"), Article("b", "Title b")])
    assert waiting(session) == ["a"]
    assert not load(session, [keys["a"]])[1].any()
    assert vectors.known_hashes(session, "title-1", ["ha"]) == {"ha"}
    articles.delete_article(session, "a", at=5.0)
    assert waiting(session) == []
    assert vectors.count_not_encoded(session, "title", "title-1") == 0


def test_looking_again_overwrites_what_was_seen(session, keys):
    put(session, [Content(keys["a"], None, "missing")], {})
    put(session, [Content(keys["a"], "ha", "ok")], {"ha": vector(1)})
    assert load(session, [keys["a"]])[1].all()


def test_encoded_articles_are_announced(session, keys):
    session.commit()
    position = articles.last_change(session)
    put(session, [Content(keys["b"], "hb", "ok")], {"hb": vector(1)})
    session.commit()
    assert articles.changed_after(session, position) == [keys["b"]]


def test_no_keys_give_no_vectors(session):
    loaded, mask = load(session, [])
    assert loaded.shape == (0, DIM)
    assert mask.shape == (0,)


def test_those_that_may_be_waiting_can_be_named(session, keys):
    put(session, [Content(keys["b"], "hb", "ok")], {"hb": vector(1)})
    for among, found in (("a", ["a"]), ("ab", ["a"]), ("abc", ["c", "a"]), ("b", []), ("", [])):
        waiting = vectors.not_encoded(session, "title", "title-1", 10, [keys[name] for name in among])
        assert [article.article_id for _, article in waiting] == found
    assert len(vectors.not_encoded(session, "title", "title-1", 1, keys.values())) == 1


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e6])  # the last is more than float16 holds
def test_a_vector_that_is_not_finite_counts_as_none(session, keys, caplog, value):
    unsound = vector(2)
    unsound[3] = value
    assert vectors.storable(np.array([vector(1), unsound])).tolist() == [True, False]
    with np.errstate(over="ignore"):
        put(session, [Content(keys[n], f"h{n}", "ok") for n in "ab"], {"ha": vector(1), "hb": unsound})
    loaded, mask = load(session, [keys["a"], keys["b"]])
    assert mask.tolist() == [True, False]
    assert loaded[0].any()
    assert not loaded[1].any()
    assert "1 title vectors that are not finite are passed over" in caplog.messages


def test_pictures_without_a_file_are_found_and_looked_at_again(session):
    named = [Article("x", image="gone.jpg"), Article("y", image="torn.jpg"), Article("z")]
    articles.put_articles(session, named)
    keys = articles.keys_of(session, "xyz")
    seen = [Content(keys["x"], None, "broken"), Content(keys["y"], "hy", "broken"), Content(keys["z"], None, "missing")]
    put(session, seen, {}, "lens", "image")
    assert unpictured.absent(session, "lens") == [(keys["x"], named[0])]
    assert unpictured.absent(session, "another") == []
    unpictured.look_again(session, [keys["x"], keys["y"]])
    assert waiting(session, "lens", "image") == ["x", "c", "b", "a"]
