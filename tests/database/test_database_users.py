"""Readers: their newest clicks and lists strictly before a time, and their erasure."""

import pytest
from sqlalchemy import func, select

from recsys.database import articles, events, logins, served, stretches, users
from recsys.database.session import writing
from recsys.database.tables import ServedRow
from recsys.domain import Click, Context, Impression, Recommendation


@pytest.fixture
def session(sessions):
    with writing(sessions) as opened:
        yield opened


def click(number, known_at, at=0.0, user="ann"):
    return Click(f"{user}-{number}", user, f"a{number}", at, known_at=known_at)


def shown(number, known_at, at=0.0, user="ann"):
    return Impression(f"{user}-{number}", user, at, (f"a{number}",), known_at=known_at)


@pytest.fixture(params=["clicks", "impressions"])
def newest(request, session):
    """Adds events made by ``click`` or ``shown``, and says which are the newest by their number."""

    def ask(rows, before, limit=10, user="ann"):
        if request.param == "clicks":
            events.add_clicks(session, [click(*row) for row in rows])
            found = users.newest_clicks(session, users.key_of(session, user), before, limit)
            keys = [row.article for row in found]
        else:
            events.add_impressions(session, [shown(*row) for row in rows])
            found = users.newest_impressions(session, users.key_of(session, user), before, limit)
            keys = [key for row in found for key in row.shown]
        names = {key: name for name, key in articles.keys_of(session, [f"a{row[0]}" for row in rows]).items()}
        return [int(names[key].removeprefix("a")) for key in keys]

    return ask


def test_newest_are_known_strictly_before(newest):
    rows = [(1, 10.0), (2, 20.0), (3, 30.0)]
    assert newest(rows, before=20.0) == [1]
    assert newest(rows, before=20.000001) == [1, 2]
    assert newest(rows, before=10.0) == []


def test_newest_come_oldest_first_and_the_limit_keeps_the_latest(newest):
    rows = [(1, 40.0), (2, 10.0), (3, 30.0), (4, 20.0)]
    assert newest(rows, before=99.0) == [2, 4, 3, 1]
    assert newest(rows, before=99.0, limit=2) == [3, 1]


def test_newest_of_one_stamp_are_ordered_by_when_they_happened_then_by_arrival(newest):
    rows = [(1, 10.0, 5.0), (2, 10.0, 3.0), (3, 10.0, 5.0)]
    assert newest(rows, before=99.0) == [2, 1, 3]
    assert newest(rows, before=99.0, limit=2) == [1, 3]


def test_newest_are_those_of_one_user(newest):
    assert newest([(1, 10.0), (2, 20.0, 0.0, "bob")], before=99.0, user="bob") == [2]


def test_keys_stay_and_strangers_have_none(session):
    keys = users.ensure_keys(session, ["ann", "bob", "ann"])
    assert users.ensure_keys(session, ["bob", "ann"]) == keys
    assert users.key_of(session, "ann") == keys["ann"] != keys["bob"]
    assert users.key_of(session, "eve") is None


def serve(session, impression_id, user_id):
    answer = [Recommendation("a1", None, None, None, None, 1, 0.5, "trending")]
    served.log_served(
        session,
        [
            served.ServedList(
                impression_id=impression_id,
                user_id=user_id,
                at=5.0,
                answer=answer,
                context=Context(),
                model_version="v",
            )
        ],
    )


def test_erasing_a_user_takes_their_log_along_and_nobody_elses(session):
    for user in ("ann", "bob"):
        events.add_impressions(session, [shown(1, 10.0, user=user)])
        events.add_clicks(session, [click(1, 20.0, user=user)])
        serve(session, f"served-{user}", user)
    bob = users.key_of(session, "bob")
    assert users.erase(session, "ann", at=1.0, who="test")
    log = stretches.read_log(session)
    assert list(log.impressions.user) == list(log.clicks.user) == [bob]
    assert list(session.scalars(select(ServedRow.impression_id))) == ["served-bob"]
    assert users.key_of(session, "ann") is None
    assert set(articles.keys_of(session, ["a1"])) == {"a1"}


def test_erasing_a_stranger_says_so(session):
    assert not users.erase(session, "ann", at=1.0, who="test")
    users.ensure_keys(session, ["ann"])
    assert users.erase(session, "ann", at=1.0, who="test")
    assert not users.erase(session, "ann", at=1.0, who="test")


def test_neither_positions_nor_keys_of_the_erased_come_back(session):
    events.add_impressions(session, [shown(1, 10.0), shown(2, 10.0)])
    events.add_clicks(session, [click(1, 20.0), click(2, 20.0)])
    erased, log = users.key_of(session, "ann"), stretches.read_log(session)
    users.erase(session, "ann", at=1.0, who="test")
    assert events.counts(session) == {"impressions": 0, "clicks": 0}
    events.add_impressions(session, [shown(3, 10.0, user="eve")])
    events.add_clicks(session, [click(3, 20.0, user="eve")])
    new = stretches.read_log(session)
    assert list(new.impressions.position) == [log.impressions.position.max() + 1]
    assert list(new.clicks.position) == [log.clicks.position.max() + 1]
    assert users.key_of(session, "eve") != erased


def test_all_ids_of_an_erased_reader_are_told_to_who_remembers_them(session):
    events.add_clicks(session, [click(1, 1.0, user="anon"), click(2, 1.0), click(3, 1.0, user="bob")])
    anonymous, ann, bob = (users.key_of(session, user_id) for user_id in ("anon", "ann", "bob"))
    logins.merge(session, "anon", "ann")
    assert users.erase(session, "anon", at=5.0, who="test")
    assert users.erased_since(session, 5.0) == {anonymous, ann} != {bob}
    assert users.erased_since(session, 6.0) == set()


def test_an_erased_user_may_come_back_as_a_stranger(session):
    events.add_clicks(session, [click(1, 20.0)])
    users.erase(session, "ann", at=1.0, who="test")
    assert events.add_clicks(session, [click(2, 30.0)]) == 1
    assert len(users.newest_clicks(session, users.key_of(session, "ann"), 99.0, 10)) == 1
    assert session.scalar(select(func.count(ServedRow.impression_id))) == 0
