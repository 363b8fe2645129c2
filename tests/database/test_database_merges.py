"""Articles that are one: the log keeps its words, and its columns name the article that goes on."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from recsys.columns import NONE, ClickColumns, EventLog, ImpressionColumns
from recsys.database import articles, events, merges, stretches, vectors
from recsys.database.session import writing
from recsys.database.tables import ClickRow, ImpressionRow
from recsys.domain import Article, Click, Context, Impression, NotKnownError, NotPossibleError


@pytest.fixture
def session(sessions):
    with writing(sessions) as opened:
        articles.put_articles(opened, [Article(name, title=f"Title of {name}") for name in "abcd"])
        opened.commit()
        yield opened


def merge(session, *pairs, at=50.0):
    for pair in pairs:
        merges.merge(session, pair[0], pair[1], at)


def key(session, article_id):
    return articles.keys_of(session, [article_id])[article_id]


def columns(session):
    return merges.as_today(stretches.read_log(session), merges.aliases(session))


def named(session, keys):
    names = {key: name for name, key in articles.keys_of(session, "abcdefx").items()}
    return [names[k] for k in keys]


def test_a_merged_article_leaves_the_catalogue_and_its_id_stands_for_the_other(session):
    position, keys = articles.last_change(session), articles.keys_of(session, "ab")
    assert merges.merge(session, "a", "b", 50.0) == "b"
    session.commit()
    assert articles.get_article(session, "a") is None
    assert set(articles.articles_by_key(session, keys.values())) == {keys["b"]}
    assert articles.load_catalogue(session).expires_at[keys["a"]] == -np.inf
    assert articles.keys_of(session, "ab") == keys
    assert merges.surviving_keys(session, ["a", "b", "never heard of"]) == {"a": keys["b"], "b": keys["b"]}
    assert merges.merged_into(session, "abc") == {"a": "b"}
    assert set(articles.changed_after(session, position)) == {keys["a"], keys["b"]}
    assert [a.article_id for _, a in vectors.not_encoded(session, "title", "any", 9)] == ["d", "c", "b"]


def test_the_log_keeps_its_words_and_its_columns_name_the_survivor(session):
    context = Context("article", "a")
    events.add_impressions(session, [Impression("i", "ann", 10.0, ("c", "a"), context)])
    events.add_clicks(session, [Click("e", "ann", "a", 11.0, "i")])
    merge(session, "ab")
    events.add_impressions(session, [Impression("j", "ann", 60.0, ("a", "d"))])
    events.add_clicks(session, [Click("f", "ann", "a", 61.0, "j")])
    old = key(session, "a")
    assert list(session.scalars(select(ClickRow.article))) == [old, old]
    assert list(session.scalars(select(ImpressionRow.shown))) == [[key(session, "c"), old], [old, key(session, "d")]]
    log = columns(session)
    assert named(session, log.impressions.items) == ["c", "b", "b", "d"]
    assert list(log.impressions.context_article) == [key(session, "b"), NONE]
    assert named(session, log.clicks.article) == ["b", "b"]


def test_a_list_that_names_an_article_twice_keeps_its_first_place(session):
    lists = [("b", "c", "a"), ("a", "c", "b", "d"), ("c", "d"), ("b", "a")]
    events.add_impressions(session, [Impression(f"i{n}", "ann", 10.0 + n, items) for n, items in enumerate(lists)])
    merge(session, "ab")
    shown = columns(session).impressions
    assert list(shown.offsets) == [0, 2, 5, 7, 8]
    assert "".join(named(session, shown.items)) == "bc" + "bcd" + "cd" + "b"


def test_a_chain_ends_at_one_article_whatever_its_order(session):
    merge(session, "ab", "bc", "da")
    assert set(merges.aliases(session).values()) == {key(session, "c")}
    assert merges.merged_into(session, "abcd") == {"a": "c", "b": "c", "d": "c"}


def test_merging_twice_changes_and_announces_nothing(session):
    merge(session, "ab", "bc")
    session.commit()
    before, position = merges.aliases(session), articles.last_change(session)
    assert merges.merge(session, "a", "b", 70.0) == "c"
    assert merges.merge(session, "b", "c", 70.0) == "c"
    session.commit()
    assert merges.aliases(session) == before
    assert articles.last_change(session) == position


@pytest.mark.parametrize(
    ("pair", "error", "words"),
    [
        ("cc", NotPossibleError, "itself"),
        ("ba", NotPossibleError, "already"),
        ("ac", NotPossibleError, "merge 'b' into 'c'"),
        ("xc", NotKnownError, "'x'"),
        ("cx", NotKnownError, "'x'"),
        ("cd", NotKnownError, "'d' in the catalogue"),
    ],
)
def test_what_cannot_be_merged_is_said_and_changes_nothing(session, pair, error, words):
    merge(session, "ab")
    articles.delete_article(session, "d", 55.0)
    before = merges.aliases(session)
    with pytest.raises(error, match=words):
        merge(session, pair)
    assert merges.aliases(session) == before
    assert articles.get_article(session, "c") is not None


def test_what_was_deleted_or_only_shown_can_be_merged(session):
    articles.delete_article(session, "a", 5.0)
    articles.ensure_keys(session, ["x"])
    merge(session, "ab", "xb")
    assert merges.merged_into(session, "ax") == {"a": "b", "x": "b"}


def test_a_catalogue_that_is_imported_again_leaves_the_merge_alone(session):
    merge(session, "ab")
    session.commit()
    position = articles.last_change(session)
    assert articles.put_articles(session, [Article("a", title="Another title"), Article("b", title="Title of b")]) == 0
    session.commit()
    assert articles.get_article(session, "a") is None
    assert articles.last_change(session) == position


@pytest.mark.parametrize(("clicked", "told"), ["aa", "ab", "ba", "bb"])
def test_a_reading_time_finds_its_click_under_either_id(session, clicked, told):
    events.add_clicks(session, [Click("e", "ann", clicked, 10.0), Click("f", "ann", "c", 11.0)])
    merge(session, "ab")
    assert events.set_dwell(session, "ann", told, 30.0) is True
    assert list(session.scalars(select(ClickRow.dwell_seconds).order_by(ClickRow.position))) == [30.0, None]
    assert events.set_dwell(session, "ann", "d", 30.0) is None


@given(
    st.lists(st.lists(st.integers(1, 9), max_size=6, unique=True), max_size=5),
    st.dictionaries(st.integers(1, 4), st.integers(5, 9), max_size=4),
)
def test_any_list_reads_the_same_alone_and_in_columns(lists, known):
    log = EventLog(impressions_of(lists), clicks_of([item for items in lists for item in items]))
    told = merges.as_today(log, known)
    parts = np.split(told.impressions.items, told.impressions.offsets[1:-1]) if lists else []
    expected = [merges.list_as_today(items, known) for items in lists]
    assert [part.tolist() for part in parts] == expected
    assert told.clicks.article.tolist() == [known.get(item, item) for items in lists for item in items]
    assert all(len(set(items)) == len(items) for items in expected)


def impressions_of(lists):
    n = len(lists)
    whole, small = np.zeros(n, np.int64), np.zeros(n, np.int8)
    offsets = np.concatenate([[0], np.cumsum([len(items) for items in lists])]).astype(np.int64)
    items = np.array([item for items in lists for item in items], np.int64)
    return ImpressionColumns(whole, whole, np.zeros(n), offsets, items, small, small, small, whole - 1)


def clicks_of(keys):
    n = len(keys)
    whole, seconds, small = np.zeros(n, np.int64), np.zeros(n), np.zeros(n, np.int8)
    article = np.array(keys, np.int64)
    return ClickColumns(whole, whole, article, seconds, seconds, seconds, seconds, small, whole, small, small)
