"""`recsys evaluate --off-policy` on lists that were served with exploration, and what `recsys models` says then."""

import made_world
import pytest
from cli_commands import Cli
from made_world import END, NOW

from recsys.database import events, experiments, models, served
from recsys.database.session import Sessions, open_sessions, writing
from recsys.domain import Click, Impression
from recsys.encoders import expected_ids
from recsys.serving.live import Live
from recsys.serving.recommender import Recommender, Served
from recsys.settings import Settings

READERS = [made_world.user_id(number) for number in range(1, 31)]
PLACES = 5
ABOVE_THE_FOLD = 3  # places that every other reader confirms; a click confirms them all


def sees_all(number: int) -> bool:
    return number % 3 == 0 or number % 2 == 0


def serve(sessions: Sessions, settings: Settings) -> dict[str, tuple[Served, list[str]]]:
    """Each reader's answer with exploration, clicked by every third, and what was best for them."""
    exploring = settings.model_copy(update={"exploration": 0.5})
    recommender = Recommender(sessions, exploring, Live(sessions, exploring, expected_ids(settings), until=NOW))
    answers = {}
    for number, user in enumerate(READERS):
        best = [item.article_id for item in recommender.recommend(user, limit=PLACES, log=False, at=NOW).items]
        answer = recommender.recommend(user, limit=PLACES, at=NOW)
        assert answer.impression_id is not None
        answers[user] = answer, best
        with writing(sessions) as session:
            shown = tuple(item.article_id for item in answer.items)
            if sees_all(number):
                served.confirm_served(session, answer.impression_id, NOW + 1)
            else:
                seen = Impression(answer.impression_id, user, NOW + 1, shown[:ABOVE_THE_FOLD])
                events.add_impressions(session, [seen])
            if number % 3 == 0:
                events.add_clicks(session, [Click(f"c{number}", user, shown[0], NOW + 2, answer.impression_id)])
    return answers


@pytest.fixture
def sessions(site: Settings) -> Sessions:
    return open_sessions(site)


def test_a_version_is_estimated_from_what_was_served(cli: Cli, site: Settings, sessions: Sessions) -> None:
    """Of the very version that served, the replay chooses what it served: so it agrees wherever nothing was drawn."""
    answers = serve(sessions, site)
    found = cli.json("evaluate", "--off-policy")
    agree = [
        [item.article_id == other for item, other in zip(answer.items, best, strict=True)]
        for answer, best in answers.values()
    ]
    assert not all(map(all, agree))  # something was drawn
    assert (found["lists"], found["users"]) == (len(READERS), len(READERS))
    assert found["matched"] == sum(any(a if sees_all(n) else a[:ABOVE_THE_FOLD]) for n, a in enumerate(agree))
    assert found["logged"] == pytest.approx(10 / 30)
    with sessions() as session:
        propensities = {one.position: one for one in _logged(session)}
    expected = sum(
        1 / one.propensities[0] for one, same, n in zip(propensities.values(), agree, range(30), strict=True)
        if same[0] and n % 3 == 0
    )  # fmt: skip
    assert found["places"][0]["ips"] == pytest.approx(expected / len(READERS))
    lists = list(zip(propensities.values(), agree, range(30), strict=True))
    for place in range(PLACES):
        seen = [number for number in range(30) if sees_all(number) or place < ABOVE_THE_FOLD]
        weights = [same[place] / one.propensities[place] for one, same, number in lists if number in seen]
        assert found["places"][place]["coverage"] == pytest.approx(sum(weights) / len(seen))
    assert found["ips"] == pytest.approx(found["places"][0]["ips"])  # only first articles were clicked
    for place in found["places"]:
        assert place["coverage"] == pytest.approx(1.0, abs=0.6)
    for method in ("ips", "snips", "dr"):
        low, high = found["confidence"][method]
        assert low <= found[method] <= high
    assert any("effective lists" in warning for warning in found["warnings"])
    said = cli.run("evaluate", "--off-policy", "--until", "2199-01-01").out
    assert "per list" in said
    assert "effective lists" in said
    listed = cli.json("models")
    assert listed["versions"][0]["metrics"]["off_policy"]["lists"] == len(READERS)
    assert listed["versions"][0]["traffic"]["impressions"] == len(READERS)
    assert listed["versions"][0]["traffic"]["clicked"] == 10


def _logged(session):  # type: ignore[no-untyped-def]
    from recsys.database.logged import logged_lists

    return logged_lists(session, since=END, until=NOW + 1)


def test_without_explored_lists_it_says_what_to_do(cli: Cli, site: Settings) -> None:
    assert "RECSYS_EXPLORATION" in cli.fails("evaluate", "--off-policy")


def test_a_window_that_the_version_was_trained_on_is_refused(cli: Cli, site: Settings) -> None:
    assert "--pool" in cli.fails("evaluate", "--off-policy", "--pool", "live", code=2)
    assert "was trained on the log up to" in cli.fails("evaluate", "--off-policy", "--since", "2020-01-01")


def test_other_evaluations_still_need_a_window(cli: Cli, site: Settings) -> None:
    assert "--since is needed" in cli.fails("evaluate", code=2)


def test_models_tell_what_an_experiment_says_so_far(cli: Cli, site: Settings, sessions: Sessions) -> None:
    with writing(sessions) as session:
        models.add_version(session, version="other", at=NOW, since=None, until=None, metrics={})
        session.flush()
        experiments.start(session, "other", 0.25, at=NOW, who="ann")
    found = cli.json("models")
    assert (found["experiment"]["version"], found["experiment"]["share"]) == ("other", 0.25)
    assert found["experiment"]["significant"] is None
    said = cli.run("models").out
    assert "other on 25% of the users" in said
    assert "too little was seen" in said
    assert "nothing seen yet" in said
