"""Model versions over HTTP, and that the running API follows them."""

import shutil

import pytest
from api_calls import assert_problem, recommended, until

WITHIN = 1.0  # seconds


def serving(client, version):
    return lambda: recommended(client, "nobody", log="false")["model_version"] == version


def test_versions_are_listed_with_their_metrics(client, newspaper):
    answer = client.get("/v1/models").json()
    assert answer["live"] == newspaper.live
    first, second = answer["versions"]
    assert (first["version"], first["live"], first["status"]) == (newspaper.live, True, "promoted")
    assert (second["version"], second["live"], second["status"]) == (newspaper.candidate, False, "candidate")
    assert first["metrics"]["training"]["lists"] > 0
    assert first["since"] < first["until"] < first["created_at"]


def test_the_running_api_follows_promotion_and_rollback(client, newspaper):
    assert serving(client, newspaper.live)()
    assert client.post(f"/v1/models/{newspaper.candidate}/promote").json() == {"live": newspaper.candidate}
    until(serving(client, newspaper.candidate), WITHIN)
    assert client.get("/v1/models").json()["live"] == newspaper.candidate
    until(lambda: client.get("/readyz").status_code == 200, 30)  # it has looked at the log
    assert client.get("/readyz").json()["model_version"] == newspaper.candidate
    assert client.post("/v1/models/rollback").json() == {"live": newspaper.live}
    until(serving(client, newspaper.live), WITHIN)
    assert_problem(client.post("/v1/models/rollback"), 409, "roll back")


def test_a_version_that_is_not_there_is_not_promoted(client):
    assert_problem(client.post("/v1/models/v0/promote"), 404, "v0")
    assert_problem(client.post("/v1/models/..%2F..%2Fetc/promote"), 404)


@pytest.mark.parametrize("damage", ["gone", "altered"])
def test_a_damaged_version_is_not_promoted(client, site, newspaper, damage):
    folder = site.snapshots / newspaper.candidate
    if damage == "gone":
        shutil.rmtree(folder)
    else:
        (folder / "weights.safetensors").write_bytes(b"nonsense")
    assert_problem(client.post(f"/v1/models/{newspaper.candidate}/promote"), 409, newspaper.candidate)
    assert client.get("/v1/models").json()["live"] == newspaper.live
    assert serving(client, newspaper.live)()
