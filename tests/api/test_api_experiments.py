"""The experiment over HTTP: started, seen in answers and figures, refused, and ended."""

import shutil

import pytest
from api_calls import assert_problem, event, ids, recommended, seen, send, until
from fastapi.testclient import TestClient

from api.app import create_app
from recsys.database import audit
from recsys.database.session import open_sessions

EXPERIMENT = "/v1/experiment"
READERS = [f"u{number}" for number in range(1, 25)]


def put(client, version, share=0.5):
    return client.put(EXPERIMENT, json={"version": version, "share": share})


def test_none_runs_at_first(client):
    assert client.get(EXPERIMENT).json() == {
        "version": None, "share": 0.0, "since": None, "from_setting": False, "trouble": None
    }  # fmt: skip
    assert client.get("/v1/models").json()["experiment"] is None
    assert_problem(client.delete(EXPERIMENT), 404, "No experiment")


def test_it_begins_answers_a_share_of_the_readers_and_ends(client, site, newspaper):
    began = put(client, newspaper.candidate)
    assert began.status_code == 200, began.text
    assert (began.json()["version"], began.json()["share"], began.json()["trouble"]) == (newspaper.candidate, 0.5, None)
    found = {user: recommended(client, user, log="false")["model_version"] for user in READERS}
    assert set(found.values()) == {newspaper.live, newspaper.candidate}
    until(lambda: client.get("/readyz").status_code == 200, 30)  # it has looked at the log
    assert client.get("/readyz").json()["model_version"] == newspaper.live
    grown = put(client, newspaper.candidate, 0.9).json()
    assert grown["since"] > began.json()["since"]
    later = {user: recommended(client, user, log="false")["model_version"] for user in READERS}
    assert all(later[user] == newspaper.candidate for user in READERS if found[user] == newspaper.candidate)
    assert client.delete(EXPERIMENT).status_code == 204
    assert client.get(EXPERIMENT).json()["version"] is None
    sessions = open_sessions(site)
    with sessions() as session:
        actions = [(row.action, row.who) for row in audit.newest(session, 9, action="experiment")]
    sessions.kw["bind"].dispose()
    assert actions == [("experiment.end", "local"), ("experiment.start", "local"), ("experiment.start", "local")]


def test_figures_of_both_versions_stand_beside_the_models(client, newspaper):
    before = recommended(client, READERS[0])
    send(client, seen(ids(before), READERS[0], impression_id=before["impression_id"]))
    put(client, newspaper.candidate)
    served = {user: recommended(client, user) for user in READERS}
    for user, answer in served.items():
        send(client, seen(ids(answer), user, impression_id=answer["impression_id"]))
    clicked = READERS[::3]
    for user in clicked:
        answer = served[user]
        send(client, event(user=user, article=ids(answer)[0], impression_id=answer["impression_id"]))
    recommended(client, "unseen")
    listed = client.get("/v1/models").json()
    experiment, traffic = listed["experiment"], {one["version"]: one["traffic"] for one in listed["versions"]}
    for version in (newspaper.live, newspaper.candidate):
        mine = [user for user in READERS if served[user]["model_version"] == version]
        got = experiment["traffic"][version]
        assert (got["users"], got["impressions"]) == (len(mine), len(mine))
        assert got["clicked"] == got["clicks"] == len(set(mine) & set(clicked))
        assert got["confidence"][0] <= got["ctr"] <= got["confidence"][1]
        assert traffic[version]["impressions"] == len(mine) + (version == newspaper.live)
    both = experiment["traffic"]
    difference = both[newspaper.candidate]["ctr"] - both[newspaper.live]["ctr"]
    assert experiment["difference"] == pytest.approx(difference)
    assert experiment["confidence"][0] < difference < experiment["confidence"][1]
    assert 0 < experiment["p_value"] <= 1
    assert experiment["significant"] is None  # too few


def test_promotion_of_the_tried_version_ends_it(client, newspaper):
    put(client, newspaper.candidate)
    client.post(f"/v1/models/{newspaper.candidate}/promote")
    assert client.get(EXPERIMENT).json()["version"] is None
    assert client.get("/v1/models").json()["experiment"] is None


@pytest.mark.parametrize("damage", ["gone", "altered"])
def test_a_damaged_version_is_refused(client, site, newspaper, damage):
    folder = site.snapshots / newspaper.candidate
    if damage == "gone":
        shutil.rmtree(folder)
    else:
        (folder / "weights.safetensors").write_bytes(b"nonsense")
    assert_problem(put(client, newspaper.candidate), 409, newspaper.candidate)
    assert client.get(EXPERIMENT).json()["version"] is None


def test_what_makes_no_sense_is_refused(client, newspaper):
    assert_problem(put(client, "v0"), 404, "v0")
    assert_problem(put(client, newspaper.live), 409, "it is live already")
    for share in (0, -0.1, 1.1, "many", None):
        assert_problem(put(client, newspaper.candidate, share), 422, "share")
    assert_problem(client.put(EXPERIMENT, json={"version": newspaper.candidate}), 422, "share")


def test_the_setting_begins_it_and_cannot_be_changed_over_http(site, newspaper):
    named = site.model_copy(update={"experiment": f"{newspaper.candidate}:1"})
    with TestClient(create_app(named)) as running:
        assert recommended(running, log="false")["model_version"] == newspaper.candidate
        got = running.get(EXPERIMENT).json()
        assert (got["version"], got["share"], got["from_setting"]) == (newspaper.candidate, 1.0, True)
        assert got["trouble"] is None
        assert_problem(put(running, newspaper.candidate), 409, "RECSYS_EXPERIMENT")
        assert_problem(running.delete(EXPERIMENT), 409, "RECSYS_EXPERIMENT")


def test_a_version_damaged_later_is_told_and_the_live_one_answers(site, newspaper):
    with TestClient(create_app(site)) as running:
        put(running, newspaper.candidate, 1.0)
    (site.snapshots / newspaper.candidate / "weights.safetensors").write_bytes(b"nonsense")
    with TestClient(create_app(site)) as running:
        assert recommended(running, log="false")["model_version"] == newspaper.live
        got = running.get(EXPERIMENT).json()
        assert got["version"] == newspaper.candidate
        assert newspaper.candidate in got["trouble"]


def test_an_exploring_site_logs_and_answers(site):
    exploring = site.model_copy(update={"exploration": 0.5})
    with TestClient(create_app(exploring)) as running:
        lists = {tuple(ids(recommended(running, "u1"))) for _ in range(12)}
    assert len(lists) > 1
