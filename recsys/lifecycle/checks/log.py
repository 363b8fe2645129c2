"""Troubles of the log: what it does not hold, times that cannot be, and feedback that is not what it looks like."""

import numpy as np

from recsys.columns import Floats
from recsys.database import health
from recsys.lifecycle.checks.visit import DAY, NEWEST, Check, Findings, Visit, error, warning

AHEAD = 60.0  # seconds that an event may claim to lie in the future
FEWEST_LISTS = 100  # with fewer, clicks in none or all of them say nothing
FEWEST_CLICKS = 100
FEWEST_TIMES = 20
MOST_OF_ONE = 0.5  # of the clicks, by one user
MOST_UNKNOWN = 0.05  # of the clicked articles, and of the lists that clicks name
LISTS_READ = 2000


def feedback(visit: Visit) -> Findings:
    """A log without any click."""
    if visit.newest is None:
        yield error(
            "The log is empty: there is nothing to learn from.",
            "Import one with `recsys import`, or send events to POST /v1/events.",
        )
    elif not health.has_positive(visit.session):
        yield error(
            "The log has no positive feedback: nobody ever clicked on anything.",
            "Send clicks (type click), or check which column of the import says what was clicked.",
        )


def timestamps(visit: Visit) -> Findings:
    """Times that say nothing."""
    at, known_at = health.times(visit.session, NEWEST)
    if len(at) < 2:
        return
    if known_at.min() == known_at.max():
        yield error(
            f"All {len(at):,} newest events have one and the same time: what was known before what cannot be told.",
            "Import the log with its real times.",
        )
    elif len(at) >= FEWEST_TIMES and (same := _one_time_of_day(at)) is not None:
        yield warning(
            f"All {len(at):,} newest events happened at {same} UTC, on different days: their times are dates.",
            "Import the log with times of day: recency and trends within a day are lost.",
        )


def clocks(visit: Visit) -> Findings:
    """Clocks that are ahead."""
    ahead = health.count_known_after(visit.session, visit.now + AHEAD)
    if ahead:
        yield error(
            f"{ahead:,} events became known in the future, by this machine's clock.",
            "Set the clocks of the machines that write events (NTP), and look for times in local time or milliseconds.",
        )
    at, known_at = health.times(visit.session, NEWEST)
    early = int((known_at < at).sum())
    if early:
        yield warning(
            f"{early:,} of the {len(at):,} newest events became known before they happened.",
            "Correct known_at in the import: training would see what could not be known yet.",
        )


def clicked_lists(visit: Visit) -> Findings:
    """Lists none of which, or every one of which, was clicked in."""
    lists, clicked = health.clicked_lists(visit.session, NEWEST)
    if lists < FEWEST_LISTS or 0 < clicked < lists:
        return
    if clicked == 0:
        yield warning(
            f"Nothing was clicked in any of the {lists:,} newest lists: no click names one of them.",
            "Send the impression_id of the list with each click.",
        )
    else:
        yield warning(
            f"Something was clicked in each of the {lists:,} newest lists: a CTR of 100% is not real.",
            "Send the lists that nobody clicked in, too (type impression): else each list promises a click or more.",
        )


def lists_of_clicks(visit: Visit) -> Findings:
    """Clicks that name lists nobody has told of, or only later."""
    naming, unknown = health.lists_named(visit.session, NEWEST)
    if naming < FEWEST_CLICKS or unknown <= MOST_UNKNOWN * naming:
        return
    yield warning(
        f"{unknown / naming:.0%} of the {naming:,} newest clicks that name a list name one that was not known by then.",
        "Check that clicks and lists write impression_id in the same way (not 11 and 11.0), that lists have no later "
        "known_at than their clicks, and send every list that was seen: without its list a click teaches no ranking.",
    )


def one_reader(visit: Visit) -> Findings:
    """One user who made most of the clicks."""
    busiest = health.busiest_reader(visit.session, NEWEST)
    if busiest is None or busiest.of < FEWEST_CLICKS or busiest.clicks <= MOST_OF_ONE * busiest.of:
        return
    yield warning(
        f"User {busiest.user_id!r} made {busiest.clicks:,} of the {busiest.of:,} newest clicks.",
        "If it is a robot, flag it (PUT /v1/users/{id}/robot); if it is everybody, send each reader's own id.",
    )


def one_article(visit: Visit) -> Findings:
    """Lists that show one article only."""
    lists, shown = health.shown_articles(visit.session, LISTS_READ)
    if lists >= FEWEST_TIMES and shown == 1:
        yield warning(
            f"The {lists:,} newest lists show one article only: there is nothing to choose between.",
            "Send all articles of a list, in the order shown, as its items.",
        )


def unknown_articles(visit: Visit) -> Findings:
    """Clicks on articles that no catalogue describes."""
    clicked, unknown = health.clicked_articles(visit.session, NEWEST)
    if clicked == 0 or unknown <= MOST_UNKNOWN * clicked:
        return
    yield warning(
        f"{unknown / clicked:.0%} of the {clicked:,} articles in the newest clicks are in no catalogue: of "
        f"{unknown:,} nothing but the id is known.",
        "PUT the articles to /v1/articles or import them, and check that both sides write ids in the same way.",
    )


def _one_time_of_day(at: Floats) -> str | None:
    """The time of day that all events have in common, where they are of several days."""
    seconds = np.mod(at, DAY)
    if at.min() == at.max() or seconds.min() != seconds.max():
        return None
    whole = int(seconds[0])
    return f"{whole // 3600:02}:{whole // 60 % 60:02}:{whole % 60:02}"


CHECKS: tuple[Check, ...] = (
    feedback, timestamps, clocks, clicked_lists, lists_of_clicks, one_reader, one_article, unknown_articles,
)  # fmt: skip
