"""Following the log: what appears behind a place is read once, in whichever order transactions commit."""

from contextlib import contextmanager
from itertools import permutations

import pytest
from sqlalchemy import text

from recsys.database import articles, events, stretches, tail
from recsys.database.session import upgrade, writing
from recsys.database.tail import Extent, Place
from recsys.domain import Article, Click, Impression

INFINITY = float("inf")


class Follower:
    """Reads what is new, and remembers how far it came."""

    def __init__(self, sessions):
        self.sessions = sessions
        self.held = Extent(Place(), INFINITY)
        self.changes = 0

    def look(self):
        """When the new lists and clicks became known."""
        with self.sessions() as session:
            wanted = Extent(tail.end_of_log(session), INFINITY)
            new = stretches.read_new(session, self.held, wanted)
            self.held = wanted
        return sorted([*new.impressions.known_at.tolist(), *new.clicks.known_at.tolist()])

    def changed(self):
        """Ids of the articles that were changed."""
        with self.sessions() as session:
            newest = articles.last_change(session)
            keys = articles.changed_after(session, self.changes)
            self.changes = newest
            return sorted(article.article_id for article in articles.articles_by_key(session, keys).values())


@contextmanager
def open_writer(sessions, number):
    """A transaction in which a list, a click and an article with this number were written, to be committed later."""
    with writing(sessions) as session:
        events.add_impressions(session, [Impression(f"i{number}", f"u{number}", float(number), (f"a{number}",))])
        events.add_clicks(session, [Click(f"c{number}", f"u{number}", f"a{number}", number + 0.5)])
        articles.put_articles(session, [Article(f"a{number}", "A title")])
        yield session


def write(sessions, number):
    with open_writer(sessions, number):
        pass


def test_every_row_is_read_once(sessions):
    follower = Follower(sessions)
    assert (follower.look(), follower.changed()) == ([], [])
    for number in (1, 3, 2):
        write(sessions, number)
        assert (follower.look(), follower.changed()) == ([number, number + 0.5], [f"a{number}"])
        assert (follower.look(), follower.changed()) == ([], [])


def test_who_begins_later_reads_the_whole(sessions):
    for number in range(3):
        write(sessions, number)
    follower = Follower(sessions)
    assert follower.look() == [0.0, 0.5, 1.0, 1.5, 2.0, 2.5]
    assert follower.changed() == ["a0", "a1", "a2"]


def test_a_place_does_not_move_while_nothing_is_written(sessions):
    """Other writing, such as that of served lists, does not make a worker look at all articles again."""
    write(sessions, 1)
    with sessions() as session:
        before = tail.end_of_log(session), articles.last_change(session)
    with writing(sessions) as session:
        session.execute(text("insert into users (user_id) values ('somebody')"))
    with sessions() as session:
        assert (tail.end_of_log(session), articles.last_change(session)) == before


def test_what_was_undone_leaves_no_gap(sessions):
    follower = Follower(sessions)
    write(sessions, 1)

    def fail() -> None:
        with open_writer(sessions, 2):
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    write(sessions, 3)
    assert follower.look() == [1.0, 1.5, 3.0, 3.5]
    assert follower.changed() == ["a1", "a3"]


def test_deleting_the_newest_row_hides_nothing_that_comes_later(sessions):
    follower = Follower(sessions)
    write(sessions, 1)
    write(sessions, 2)
    assert follower.look() == [1.0, 1.5, 2.0, 2.5]
    with writing(sessions) as session:
        session.execute(text("delete from users where user_id = 'u2'"))
    assert follower.look() == []
    write(sessions, 3)
    assert follower.look() == [3.0, 3.5]


class TestOnPostgreSQL:
    """Where transactions run side by side."""

    pytestmark = pytest.mark.parametrize("settings", ["postgresql"], indirect=True)

    def test_two_transactions_that_commit_in_reverse_order_are_both_read_once(self, sessions):
        follower = Follower(sessions)
        with open_writer(sessions, 1):  # takes the lower positions
            write_events(sessions, 2)  # commits first
            assert follower.look() == []  # a place behind the second would hide the first
            assert follower.changed() == []
        assert follower.look() == [1.0, 1.5, 2.0, 2.5]
        assert follower.look() == []
        assert follower.changed() == ["a1", "a2"]
        assert positions(sessions) == [("i1", True), ("i2", True)]

    @pytest.mark.parametrize("order", list(permutations(range(3))))
    def test_three_that_begin_together_and_commit_in_any_order(self, sessions, order):
        follower, seen = Follower(sessions), []
        writers = [begin(sessions, number) for number in range(3)]
        for place in order:
            writers[place].commit()
            seen += follower.look()
        assert sorted(seen) == [0.0, 0.5, 1.0, 1.5, 2.0, 2.5]
        for writer in writers:
            writer.close()
        assert follower.changed() == ["a0", "a1", "a2"]

    def test_a_transaction_that_writes_much_later_than_it_reads_hides_nothing(self, sessions):
        """It has no number before it writes, and gets a higher one than those that committed meanwhile."""
        follower = Follower(sessions)
        with writing(sessions) as session:
            assert events.counts(session)["clicks"] == 0
            write_events(sessions, 1)
            assert follower.look() == [1.0, 1.5]
            events.add_clicks(session, [Click("late", "u9", "a9", 0.25)])
        assert follower.look() == [0.25]

    def test_a_restored_dump_is_followed_after_the_schema_was_looked_at(self, sessions, settings):
        """Its rows name transactions that this server has not got to yet."""
        write(sessions, 1)
        with writing(sessions) as session:
            for table in ("impressions", "clicks", "article_changes"):
                session.execute(text(f"update {table} set txid = txid + 1000000"))
        follower = Follower(sessions)
        assert (follower.look(), follower.changed()) == ([], [])
        upgrade(settings)
        assert (follower.look(), follower.changed()) == ([1.0, 1.5], ["a1"])
        write(sessions, 2)
        upgrade(settings)
        assert (follower.look(), follower.changed()) == ([2.0, 2.5], ["a2"])


def begin(sessions, number):
    session = sessions()
    events.add_impressions(session, [Impression(f"i{number}", f"u{number}", float(number), (f"a{number}",))])
    events.add_clicks(session, [Click(f"c{number}", f"u{number}", f"a{number}", number + 0.5)])
    return session


def write_events(sessions, number):
    with begin(sessions, number) as session:
        session.commit()


def positions(sessions):
    """The lists in the order of their positions, and whether each names the transaction that wrote it."""
    with sessions() as session:
        rows = session.execute(text("select impression_id, txid is not null from impressions order by position"))
        return [tuple(row) for row in rows]
