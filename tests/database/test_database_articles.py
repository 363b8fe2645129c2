"""The catalogue: what is written is read back, what changed is announced, what is deleted is gone."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from sqlalchemy import select

from recsys.columns import NONE
from recsys.database import articles, vectors
from recsys.database.session import writing
from recsys.database.tables import ArticleRow
from recsys.domain import Article

FULL = Article(
    "full", "A title", "A summary", "A body", "sport", "An author", "en", "https://example.org/1", "pictures/1.jpg",
    published_at=1_700_000_000.25, expires_at=1_800_000_000.5, premium=True, length=321,
)  # fmt: skip
BARE = Article("bare")


@pytest.fixture
def session(sessions):
    with writing(sessions) as opened:
        yield opened


def catalogue_row(session, article_id):
    catalogue = articles.load_catalogue(session)
    key = articles.keys_of(session, [article_id])[article_id]
    assert catalogue.article_ids[key] == article_id
    section = catalogue.section[key]
    return {
        "published_at": catalogue.published_at[key],
        "expires_at": catalogue.expires_at[key],
        "section": None if section == NONE else catalogue.sections[section],
        "premium": catalogue.premium[key],
        "length": catalogue.length[key],
    }


def test_an_article_is_read_back_as_it_was_written(session):
    assert articles.put_articles(session, [FULL, BARE]) == 2
    assert articles.get_article(session, "full") == FULL
    assert articles.get_article(session, "bare") == BARE
    assert articles.get_article(session, "other") is None


storable = st.characters(exclude_characters="\0", exclude_categories=["Cs"])
texts = st.none() | st.text(storable, max_size=40)
times = st.none() | st.integers(-4 * 10**15, 4 * 10**15).map(lambda microseconds: microseconds / 1e6)


@hypothesis_settings(deadline=None, max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.builds(
        Article, st.text(storable, min_size=1, max_size=20), title=texts, body=texts, section=texts, published_at=times,
        expires_at=times, premium=st.none() | st.booleans(), length=st.none() | st.integers(0, 10**9),
    )
)  # fmt: skip
def test_any_article_is_read_back_as_it_was_written(session, article):
    articles.put_articles(session, [article])
    assert articles.get_article(session, article.article_id) == article
    assert articles.put_articles(session, [article]) == 0


def test_writing_the_same_again_changes_and_announces_nothing(session):
    articles.put_articles(session, [FULL, BARE])
    session.commit()
    position = articles.last_change(session)
    assert articles.put_articles(session, [FULL, BARE]) == 0
    session.commit()
    assert articles.last_change(session) == position
    assert articles.changed_after(session, position) == []


def test_a_rewritten_article_keeps_its_key_and_is_announced(session):
    articles.put_articles(session, [FULL, BARE])
    session.commit()
    keys, position = articles.keys_of(session, ["full", "bare"]), articles.last_change(session)
    assert articles.put_articles(session, [BARE, Article("full", "Another title")]) == 1
    assert articles.get_article(session, "full") == Article("full", "Another title")
    assert articles.keys_of(session, ["full", "bare"]) == keys
    session.commit()
    assert articles.changed_after(session, position) == [keys["full"]]


def test_times_finer_than_the_database_keeps_are_no_change(session):
    fine = Article("fine", published_at=1_700_000_000.123456 + 2**-22, expires_at=0.1 + 0.2)
    assert articles.put_articles(session, [fine]) == 1
    assert articles.put_articles(session, [fine]) == 0
    assert articles.get_article(session, "fine") == Article(
        "fine", published_at=1_700_000_000.123457, expires_at=0.300001
    )


def test_rewriting_uses_up_no_keys(session):
    """Keys are rows of arrays: an article that is corrected a thousand times must not make them longer."""
    for number in range(5):
        articles.put_articles(session, [Article("a", f"Title {number}")])
    articles.put_articles(session, [Article("b")])
    assert sorted(articles.keys_of(session, "ab").values()) == [1, 2]


def seen_by_an_encoder(session, *article_ids):
    keys = articles.keys_of(session, article_ids)
    contents = [vectors.Content(keys[name], name, "ok") for name in article_ids]
    found = {name: np.ones(2, np.float32) for name in article_ids}
    vectors.put_contents(session, "title", "enc", contents, found)


@pytest.mark.parametrize("change", [{"title": "B"}, {"summary": "B"}, {"body": "B"}, {"image": "b.jpg"}])
def test_corrected_content_is_to_be_encoded_again(session, change):
    articles.put_articles(session, [FULL, BARE])
    seen_by_an_encoder(session, "full", "bare")
    articles.put_articles(session, [replace(FULL, **change)])
    assert [a.article_id for _, a in vectors.not_encoded(session, "title", "enc", 9)] == ["full"]


@pytest.mark.parametrize(
    "change",
    [
        {"section": "food"},
        {"published_at": 5.0},
        {"expires_at": None},
        {"premium": False},
        {"url": None},
        {"author": "B"},
    ],
)
def test_what_no_encoder_looks_at_is_corrected_without_encoding(session, change):
    articles.put_articles(session, [FULL])
    seen_by_an_encoder(session, "full")
    session.commit()
    position = articles.last_change(session)
    assert articles.put_articles(session, [replace(FULL, **change)]) == 1
    session.commit()
    assert vectors.count_not_encoded(session, "title", "enc") == 0
    assert articles.changed_after(session, position) == [articles.keys_of(session, ["full"])["full"]]
    articles.delete_article(session, "full", 5.0)
    assert articles.put_articles(session, [FULL]) == 1
    assert vectors.count_not_encoded(session, "title", "enc") == 0


def test_a_row_that_was_loaded_before_is_not_served_stale(session):
    articles.put_articles(session, [BARE])
    held = session.scalars(select(ArticleRow)).one()
    articles.put_articles(session, [Article("bare", "A title")])
    assert articles.get_article(session, "bare") == Article("bare", "A title")
    assert held.title == "A title"


def test_of_equal_ids_in_one_writing_the_last_wins(session):
    assert articles.put_articles(session, [Article("a", "first"), Article("a", "last")]) == 1
    assert articles.get_article(session, "a") == Article("a", "last")


def test_ensure_keys_makes_known_ids_without_content(session):
    articles.put_articles(session, [FULL])
    session.commit()
    position = articles.last_change(session)
    keys = articles.ensure_keys(session, ["full", "new", "new", "newer"])
    session.commit()
    assert set(keys) == {"full", "new", "newer"}
    assert len(set(keys.values())) == 3
    assert articles.get_article(session, "new") == Article("new")
    assert articles.get_article(session, "full") == FULL
    assert sorted(articles.changed_after(session, position)) == sorted([keys["new"], keys["newer"]])
    assert articles.ensure_keys(session, ["newer", "full", "new"]) == keys
    assert articles.keys_of(session, ["new", "never heard of"]) == {"new": keys["new"]}


def test_a_known_id_is_filled_in_later(session):
    key = articles.ensure_keys(session, ["full"])["full"]
    assert articles.put_articles(session, [FULL]) == 1
    assert articles.keys_of(session, ["full"]) == {"full": key}
    assert articles.get_article(session, "full") == FULL


def test_a_deleted_article_is_gone_but_its_key_stays(session):
    articles.put_articles(session, [FULL, BARE])
    session.commit()
    keys, position = articles.keys_of(session, ["full", "bare"]), articles.last_change(session)
    assert articles.delete_article(session, "full", at=5.0)
    session.commit()
    assert articles.get_article(session, "full") is None
    assert set(articles.articles_by_key(session, keys.values())) == {keys["bare"]}
    assert articles.keys_of(session, ["full"]) == {"full": keys["full"]}
    assert articles.changed_after(session, position) == [keys["full"]]
    assert catalogue_row(session, "full")["expires_at"] == -math.inf


def test_deleting_twice_or_the_unknown_says_so_and_announces_nothing(session):
    articles.put_articles(session, [FULL])
    articles.delete_article(session, "full", at=5.0)
    session.commit()
    position = articles.last_change(session)
    assert not articles.delete_article(session, "full", at=6.0)
    assert not articles.delete_article(session, "never heard of", at=6.0)
    session.commit()
    assert articles.last_change(session) == position


def test_a_deleted_article_that_is_written_again_is_back(session):
    articles.put_articles(session, [FULL])
    articles.delete_article(session, "full", at=5.0)
    assert articles.put_articles(session, [FULL]) == 1
    assert articles.get_article(session, "full") == FULL
    assert catalogue_row(session, "full")["expires_at"] == FULL.expires_at


def test_being_shown_does_not_bring_a_deleted_article_back(session):
    articles.put_articles(session, [FULL])
    articles.delete_article(session, "full", at=5.0)
    articles.ensure_keys(session, ["full"])
    assert articles.get_article(session, "full") is None


def test_the_catalogue_as_columns(session):
    articles.put_articles(session, [FULL, BARE, Article("free", section="culture", premium=False, length=0)])
    assert catalogue_row(session, "full") == {
        "published_at": FULL.published_at,
        "expires_at": FULL.expires_at,
        "section": "sport",
        "premium": 1,
        "length": 321,
    }
    assert catalogue_row(session, "free")["section"] == "culture"
    assert catalogue_row(session, "free")["premium"] == 0
    assert catalogue_row(session, "free")["length"] == 0
    bare = catalogue_row(session, "bare")
    assert bare["expires_at"] == math.inf
    assert bare["section"] is None
    assert all(math.isnan(bare[name]) for name in ("published_at", "premium", "length"))


def test_ids_that_no_catalogue_describes_are_counted(session):
    articles.put_articles(session, [FULL, Article("written", length=0)])
    assert articles.count_undescribed(session) == 0
    articles.ensure_keys(session, ["full", "shown", "shown too"])
    assert articles.count_undescribed(session) == 2
    articles.put_articles(session, [Article("shown", "A title")])
    assert articles.count_undescribed(session) == 1


def test_an_empty_catalogue_has_a_row_for_no_article(session):
    catalogue = articles.load_catalogue(session)
    assert len(catalogue) == 1
    assert catalogue.sections == ()
    assert catalogue.article_ids[0] is None
    assert catalogue.expires_at[0] == -math.inf


def test_more_articles_than_a_statement_takes_variables(session):
    many = [Article(str(number), f"Title {number}") for number in range(12_000)]
    assert articles.put_articles(session, many) == len(many)
    keys = articles.keys_of(session, [article.article_id for article in many])
    assert len(set(keys.values())) == len(many)
    found = articles.articles_by_key(session, keys.values())
    assert [found[keys[article.article_id]] for article in many] == many
    assert np.count_nonzero(articles.load_catalogue(session).article_ids != None) == len(many)  # noqa: E711


def test_an_updated_catalogue_is_the_one_that_is_read_anew(session):
    articles.put_articles(session, [Article("a", section="m"), Article("b", section="z", premium=True), Article("c")])
    known = articles.load_catalogue(session)
    keys = articles.keys_of(session, ["a", "b", "c"])
    articles.put_articles(session, [Article("a", section="k", length=9), Article("d", section="m", published_at=5.0)])
    articles.delete_article(session, "b", 7.0)
    changed = [keys["a"], keys["b"], articles.keys_of(session, ["d"])["d"]]
    updated, read = articles.updated(session, known, changed), articles.load_catalogue(session)
    for name in ("article_ids", "published_at", "expires_at", "premium", "length"):
        np.testing.assert_array_equal(getattr(updated, name), getattr(read, name), err_msg=name)
    assert _sections(updated) == _sections(read)
    assert updated.sections[: len(known.sections)] == known.sections  # what was counted by code stays valid
    assert (len(known), known.section[keys["a"]]) == (4, known.sections.index("m"))  # a copy: readers go on with theirs


def _sections(catalogue):
    return [None if code < 0 else catalogue.sections[code] for code in catalogue.section.tolist()]


def test_a_mark_tells_which_article_changed(session):
    articles.put_articles(session, [Article("a"), Article("b")])
    session.commit()
    first = articles.last_change(session)
    assert articles.changed_at(session, first) in ("a", "b")  # PostgreSQL marks the transaction
    articles.put_articles(session, [Article("c")])
    session.commit()
    assert articles.changed_at(session, articles.last_change(session)) == "c"
    assert articles.changed_at(session, first) in ("a", "b")
    assert articles.changed_at(session, articles.last_change(session) + 1000) is None
