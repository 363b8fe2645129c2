"""Lists that were answered become impressions when they are confirmed, once."""

import pytest
from sqlalchemy import select

from recsys.database import articles, events, served, stretches, users
from recsys.database.session import writing
from recsys.database.tables import ImpressionRow, ServedRow
from recsys.domain import Article, Context, Impression, Recommendation

CONTEXT = Context("article", "read", "tablet", subscriber=False, placement="sidebar")


@pytest.fixture
def session(sessions):
    with writing(sessions) as opened:
        articles.put_articles(opened, [Article("a"), Article("b"), Article("read")])
        yield opened


def answer(*article_ids):
    return [
        Recommendation(article_id, None, None, None, None, position, 1 / (1 + position), "personal")
        for position, article_id in enumerate(article_ids, start=1)
    ]


def serve(session, impression_id="s1", at=10.0, items=("b", "a"), context=CONTEXT):
    served.log_served(
        session,
        [
            served.ServedList(
                impression_id=impression_id,
                user_id="ann",
                at=at,
                answer=answer(*items),
                context=context,
                model_version="v1",
            )
        ],
    )


def test_what_was_answered_is_remembered_but_is_no_impression_yet(session):
    serve(session)
    row = session.scalars(select(ServedRow)).one()
    keys = articles.keys_of(session, ["a", "b", "read"])
    assert row.user == users.key_of(session, "ann")
    assert row.shown == [keys["b"], keys["a"]]
    assert row.scores == [1 / 2, 1 / 3]
    assert row.model_version == "v1"
    assert row.context_article == keys["read"]
    assert events.counts(session)["impressions"] == 0


def test_a_confirmed_list_is_an_impression_known_since_its_confirmation(session):
    serve(session)
    assert served.confirm_served(session, "s1", known_at=25.0)
    log = stretches.read_log(session).impressions
    keys = articles.keys_of(session, ["a", "b", "read"])
    assert list(log.user) == [users.key_of(session, "ann")]
    assert list(log.known_at) == [25.0]
    assert list(log.items) == [keys["b"], keys["a"]]
    assert list(log.context_article) == [keys["read"]]
    assert (list(log.page), list(log.device), list(log.subscriber)) == ([2], [3], [0])
    row = session.scalars(select(ImpressionRow)).one()
    assert (row.at, row.placement) == (10.0, "sidebar")


def test_confirming_twice_counts_once(session):
    serve(session)
    assert served.confirm_served(session, "s1", known_at=25.0)
    assert served.confirm_served(session, "s1", known_at=30.0)
    assert list(stretches.read_log(session).impressions.known_at) == [25.0]


def test_a_client_that_reports_the_list_itself_and_a_confirmation_count_once(session):
    serve(session)
    served.confirm_served(session, "s1", known_at=25.0)
    assert events.add_impressions(session, [Impression("s1", "ann", 10.0, ("a",))]) == 0
    serve(session, "s2")
    assert events.add_impressions(session, [Impression("s2", "ann", 10.0, ("a",))]) == 1
    assert served.confirm_served(session, "s2", known_at=25.0)
    assert events.counts(session)["impressions"] == 2


def test_what_was_never_served_cannot_be_confirmed(session):
    assert not served.confirm_served(session, "s1", known_at=25.0)
    assert events.counts(session)["impressions"] == 0


def test_an_answer_with_nothing_in_it_on_an_unknown_page(session):
    """Nobody can have seen it, and a list of nothing is no example."""
    serve(session, items=(), context=Context(context_article="never heard of"))
    assert not served.confirm_served(session, "s1", known_at=25.0)
    assert events.counts(session)["impressions"] == 0


def test_an_answer_on_a_page_of_an_unknown_article(session):
    serve(session, context=Context(context_article="never heard of"))
    served.confirm_served(session, "s1", known_at=25.0)
    assert list(stretches.read_log(session).impressions.context_article) == [-1]


def test_old_answers_that_nobody_saw_are_forgotten(session):
    for number, at in enumerate((10.0, 20.0, 30.0, 40.0)):
        serve(session, f"s{number}", at)
    served.confirm_served(session, "s1", known_at=25.0)
    assert served.forget_unseen(session, before=10.0, limit=5) == 0
    assert served.forget_unseen(session, before=40.0, limit=1) == 1
    assert served.forget_unseen(session, before=40.0, limit=5) == 1
    assert list(session.scalars(select(ServedRow.impression_id).order_by(ServedRow.at))) == ["s1", "s3"]
    assert served.find_served(session, ["s0", "s3"]).keys() == {"s3"}
