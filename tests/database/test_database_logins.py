"""Readers who log in: two histories become one, under either id and whoever comes first."""

import threading

import pytest
from sqlalchemy import select

from recsys.database import articles, events, logins, robots, served, users
from recsys.database.session import writing
from recsys.database.tables import ClickRow, ImpressionRow, ServedRow, UserRow
from recsys.domain import Article, Click, Context, Impression, NotKnownError, NotPossibleError, Recommendation


@pytest.fixture
def session(sessions):
    with writing(sessions) as opened:
        articles.put_articles(opened, [Article("a")])
        yield opened


def visit(session, user, number=1, at=10.0):
    """One list, one click and one answer."""
    events.add_impressions(session, [Impression(f"i-{user}-{number}", user, at, ("a",))])
    events.add_clicks(session, [Click(f"e-{user}-{number}", user, "a", at + 1)])
    served.log_served(
        session,
        [
            served.ServedList(
                impression_id=f"s-{user}-{number}",
                user_id=user,
                at=at,
                context=Context(),
                model_version="v",
                answer=[Recommendation("a", None, None, None, None, 1, 0.5, "trending")],
            )
        ],
    )


def counts(session, user):
    return users.counts_of(session, users.key_of(session, user))


def owners(session):
    return {owner for row in (ClickRow, ImpressionRow, ServedRow) for owner in session.scalars(select(row.user))}


def test_everything_becomes_the_readers(session):
    visit(session, "anon")
    visit(session, "ann")
    assert logins.merge(session, "anon", "ann") == logins.Moved("ann", clicks=1, impressions=1, served=1)
    both = {"clicks": 2, "dismissed": 0, "impressions": 2, "served": 2}
    assert counts(session, "ann") == counts(session, "anon") == both
    assert owners(session) == {users.key_of(session, "ann")}
    assert users.ids_of(session, users.key_of(session, "anon")) == ["ann", "anon"]
    assert users.readers_of(session, ["anon", "ann", "eve"]) == {"anon": "ann"}


def test_what_names_the_old_id_later_counts_for_the_reader_and_once(session):
    visit(session, "anon")
    visit(session, "ann")
    logins.merge(session, "anon", "ann")
    visit(session, "anon", 2, 20.0)
    assert events.add_clicks(session, [Click("e-anon-1", "anon", "a", 11.0)]) == 0
    assert counts(session, "ann") == {"clicks": 3, "dismissed": 0, "impressions": 3, "served": 3}
    assert served.find_served(session, ["s-anon-1", "s-anon-2"]).keys() == {"s-anon-1", "s-anon-2"}
    assert {found.user_id for found in served.find_served(session, ["s-anon-1", "s-anon-2"]).values()} == {"ann"}


def test_merging_again_hands_nothing_over(session):
    visit(session, "anon")
    logins.merge(session, "anon", "ann")
    assert logins.merge(session, "anon", "ann") == logins.Moved("ann")
    assert logins.merge(session, "ann", "anon") == logins.Moved("ann")
    assert counts(session, "ann")["clicks"] == 1


def test_a_reader_who_was_never_heard_of_is_created(session):
    visit(session, "anon")
    logins.merge(session, "anon", "ann")
    assert users.ids_of(session, users.key_of(session, "ann")) == ["ann", "anon"]


def test_what_cannot_be_merged_is_said(session):
    visit(session, "anon")
    with pytest.raises(NotPossibleError, match="itself"):
        logins.merge(session, "anon", "anon")
    with pytest.raises(NotKnownError, match="eve"):
        logins.merge(session, "eve", "ann")
    assert users.key_of(session, "ann") is None
    logins.merge(session, "anon", "ann")
    with pytest.raises(NotPossibleError, match=r"'ann' before.*anonymous id"):
        logins.merge(session, "anon", "bob")
    assert counts(session, "ann")["clicks"] == 1


def test_a_chain_ends_at_one_reader(session):
    for user in ("first", "second", "third"):
        visit(session, user)
    logins.merge(session, "first", "second")
    logins.merge(session, "second", "third")
    visit(session, "first", 2, 20.0)
    assert owners(session) == {users.key_of(session, "third")}
    assert users.readers_of(session, ["first", "second"]) == {"first": "third", "second": "third"}
    visit(session, "fourth")
    assert logins.merge(session, "fourth", "first").into == "third"
    assert counts(session, "third")["clicks"] == 5


@pytest.mark.parametrize("erased", ["anon", "ann"])
def test_erasing_either_id_erases_the_person(session, erased):
    visit(session, "anon")
    visit(session, "ann")
    visit(session, "bob")
    logins.merge(session, "anon", "ann")
    assert users.erase(session, erased, at=1.0, who="test")
    assert users.key_of(session, "anon") is users.key_of(session, "ann") is None
    assert owners(session) == {users.key_of(session, "bob")}
    visit(session, "anon", 2, 30.0)  # a phone that still sends the id is a stranger's
    assert users.ids_of(session, users.key_of(session, "anon")) == ["anon"]


def test_a_flag_goes_along(session):
    visit(session, "anon")
    robots.flag(session, "anon")
    logins.merge(session, "anon", "ann")
    assert list(robots.flagged(session)) == [users.key_of(session, "ann")]


def test_two_that_merge_into_each_other_at_once_are_one_and_nothing_is_lost(sessions):
    with writing(sessions) as session:
        articles.put_articles(session, [Article("a")])
        for user in ("left", "right"):
            visit(session, user)
    together, failures = threading.Barrier(4), []

    def log_in(one, other):
        together.wait()
        try:
            with writing(sessions) as session:
                logins.merge(session, one, other)
        except NotPossibleError as error:
            failures.append(error)

    def read_on(user):
        together.wait()
        for number in range(2, 12):
            with writing(sessions) as session:
                visit(session, user, number, 10.0 + number)

    work = [(log_in, "left", "right"), (log_in, "right", "left"), (read_on, "left"), (read_on, "right")]
    threads = [threading.Thread(target=job, args=names) for job, *names in work]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    with sessions() as session:
        assert (
            counts(session, "left")
            == counts(session, "right")
            == {"clicks": 22, "dismissed": 0, "impressions": 22, "served": 22}
        )
        assert len(set(session.scalars(select(UserRow.merged_into)))) == 2  # one of them, and None
        assert owners(session) == {users.key_of(session, "left")}
