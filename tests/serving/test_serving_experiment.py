"""Two versions at once: who gets which, and what becomes of it when one of them cannot be served."""

import time

import made_world
import pytest
from serving_site import Site
from sqlalchemy import select

from recsys.database import experiments, logins
from recsys.database.experiments import FROM_SETTING, Experiment
from recsys.database.session import writing
from recsys.database.tables import ServedRow
from recsys.serving.experiment import apply_setting, is_in, place, trouble

READERS = [made_world.user_id(number) for number in range(1, 41)]
OTHER = "other"


@pytest.fixture
def two(site: Site) -> Site:
    """The site with its model twice, under two names."""
    site.add_version(OTHER)
    return site


def start(site: Site, share: float, version: str = OTHER, who: str = "ann") -> None:
    with writing(site.sessions) as session:
        experiments.start(session, version, share, at=time.time(), who=who)


def running(site: Site) -> Experiment | None:
    with site.sessions() as session:
        return experiments.running(session)


def versions(site: Site, readers: list[str] = READERS) -> dict[str, str]:
    """Which version answers each reader, in a process that starts now."""
    recommender = site.recommender()
    return {user: recommender.recommend(user, limit=1, log=False, at=made_world.NOW).model_version for user in readers}


def test_places_are_even_and_known_in_advance() -> None:
    """The hash is part of the contract: it must not change with a release, or readers change versions."""
    assert place("v1", "u1") == pytest.approx(0.65117226, abs=1e-8)
    places = [place("v1", f"u{number}") for number in range(4000)]
    assert sum(p < 0.1 for p in places) / 4000 == pytest.approx(0.1, abs=0.02)
    assert sum(p < 0.5 for p in places) / 4000 == pytest.approx(0.5, abs=0.03)
    others = [place("v2", f"u{number}") for number in range(4000)]
    both = sum(p < 0.5 and q < 0.5 for p, q in zip(places, others, strict=True)) / 4000
    assert both == pytest.approx(0.25, abs=0.03)  # another experiment draws other readers


def test_a_reader_stays_while_the_share_grows() -> None:
    small, large = Experiment("v1", 0.2, 0.0), Experiment("v1", 0.5, 0.0)
    before = {user for user in READERS if is_in(small, user)}
    after = {user for user in READERS if is_in(large, user)}
    assert before < after < set(READERS)


def test_a_share_of_the_readers_gets_the_other_version_in_every_process(two: Site) -> None:
    assert set(versions(two).values()) == {two.trained}
    start(two, 0.5)
    found = versions(two)
    assert set(found.values()) == {two.trained, OTHER}
    assert versions(two) == found
    assert found == {user: OTHER if is_in(Experiment(OTHER, 0.5, 0.0), user) else two.trained for user in READERS}


def test_a_running_process_follows_it_and_served_lists_name_their_version(two: Site) -> None:
    live = two.live()
    recommender = two.recommender(live)
    start(two, 1.0)
    live.refresh(made_world.NOW)
    answer = recommender.recommend("u01", at=made_world.NOW)
    assert answer.model_version == OTHER
    assert recommender.rank("u01", ["a79", "a80"]).model_version == OTHER
    with two.sessions() as session:
        assert session.scalar(select(ServedRow.model_version)) == OTHER
    with writing(two.sessions) as session:
        experiments.end(session, at=time.time(), who="ann")
    live.refresh(made_world.NOW)
    assert recommender.recommend("u01", at=made_world.NOW).model_version == two.trained


def test_an_id_that_logged_in_gets_what_its_reader_gets(two: Site) -> None:
    start(two, 0.5)
    inside = next(user for user in READERS if is_in(Experiment(OTHER, 0.5, 0.0), user))
    alias = next(f"anon{n}" for n in range(99) if not is_in(Experiment(OTHER, 0.5, 0.0), f"anon{n}"))
    two.click(alias, "a70", made_world.NOW - 50)
    assert versions(two, [alias])[alias] == two.trained
    with writing(two.sessions) as session:
        logins.merge(session, alias, inside)
    assert versions(two, [alias])[alias] == OTHER


def test_everybody_gets_the_live_version_where_the_other_is_damaged(two: Site) -> None:
    (two.settings.snapshots / OTHER / "weights.safetensors").write_bytes(b"nonsense")
    start(two, 1.0)
    assert set(versions(two).values()) == {two.trained}
    live = two.live()
    assert live.experiment is not None
    assert OTHER in (trouble(two.settings, live, live.experiment) or "")


def test_promotion_ends_it(two: Site) -> None:
    start(two, 0.5)
    two.promote(OTHER)  # the made world's clock stands before the start
    assert set(versions(two).values()) == {OTHER}
    assert running(two) is None


def with_setting(site: Site, text: str) -> Site:
    return Site(site.settings.model_copy(update={"experiment": text}), site.sessions)


def test_the_setting_becomes_the_experiment_of_all_processes(two: Site) -> None:
    site = with_setting(two, f"{OTHER}:0.25")
    for _ in range(2):  # processes
        apply_setting(site.sessions, site.settings)
    experiment = running(site)
    assert experiment is not None
    assert (experiment.version, experiment.share) == (OTHER, 0.25)
    assert trouble(site.settings, site.live(), experiment) is None


def test_the_setting_wins_over_what_the_api_began(two: Site) -> None:
    start(two, 0.5)
    apply_setting(two.sessions, with_setting(two, f"{OTHER}:.1").settings)
    experiment = running(two)
    assert experiment is not None
    assert experiment.share == 0.1


def test_a_process_without_the_setting_ends_what_came_from_it_alone(two: Site) -> None:
    start(two, 0.5)
    apply_setting(two.sessions, two.settings)
    assert running(two) is not None
    start(two, 0.3, who=FROM_SETTING)
    apply_setting(two.sessions, two.settings)
    assert running(two) is None


@pytest.mark.parametrize("named", ["nothing:0.5", "TRAINED:0.5"])
def test_a_setting_that_cannot_be_is_told_and_the_live_version_answers(two: Site, named: str) -> None:
    site = with_setting(two, named.replace("TRAINED", two.trained))
    apply_setting(site.sessions, site.settings)
    assert running(site) is None
    assert set(versions(site, READERS[:5]).values()) == {two.trained}
    assert "RECSYS_EXPERIMENT" in (trouble(site.settings, site.live(), None) or "")
