"""GET /metrics: what is counted and timed while the service answers."""

import pytest
import sqlalchemy
from api_calls import event, ids, recommended, seen, send, until
from metric_readings import labels_of, readings, value

REASONS = ("clicked", "excluded", "section", "not_live")
ROUTE = "/v1/users/{user_id}/recommendations"


def difference(before, after, name, **labels):
    key = (name, frozenset(labels.items()))
    return after.get(key, 0.0) - before.get(key, 0.0)


def test_requests_are_counted_by_route_method_and_status(client):
    before = readings(client)
    for user in ("u1", "u2", "a%2Fb"):
        client.get(f"/v1/users/{user}/recommendations")
    client.get("/v1/users/u1/recommendations", params={"limit": 0})
    client.post("/v1/users/u1/recommendations")
    client.get("/v1/nothing/here")
    client.request("BREW", "/healthz")
    after = readings(client)
    by_route = {"route": ROUTE, "method": "GET"}
    assert difference(before, after, "recsys_requests_total", **by_route, status="200") == 3
    assert difference(before, after, "recsys_requests_total", **by_route, status="422") == 1
    assert difference(before, after, "recsys_requests_total", route=ROUTE, method="POST", status="405") == 1
    assert difference(before, after, "recsys_requests_total", route="none", method="GET", status="404") == 1
    assert difference(before, after, "recsys_requests_total", route="/healthz", method="other", status="405") == 1
    assert difference(before, after, "recsys_request_seconds_count", **by_route) == 4
    assert not any("u1" in str(labels) for _, labels in after)


def test_refusals_of_other_middlewares_are_counted_too(client):
    before = readings(client)
    wrong = client.get("/v1/users/u1/recommendations", headers={"X-API-Key": "wrong"})
    assert wrong.status_code == 401
    assert wrong.headers["x-request-id"]
    after = readings(client)
    assert difference(before, after, "recsys_requests_total", route="none", method="GET", status="401") == 1


@pytest.mark.parametrize("stage", ["hydrate", "log"])
def test_stages_of_an_answer_are_timed(client, stage):
    before = readings(client)
    recommended(client)
    assert difference(before, readings(client), "recsys_stage_seconds_count", stage=stage) == 1


def test_candidates_are_counted_by_source_and_the_rest_by_reason(client):
    send(client, event(user="reader", article="a4"), event(user="reader", article="a8"))
    barred = {"exclude": ["a1", "a2", "a3"]}
    before = readings(client)
    recommended(client, "reader", **barred)
    plain = readings(client)
    recommended(client, "reader", section="sport")
    after = readings(client)
    total = sum(difference(before, plain, name, **dict(labels)) for name, labels in plain if "candidates_t" in name)
    filtered = {reason: difference(before, plain, "recsys_filtered_total", reason=reason) for reason in REASONS}
    assert (filtered["clicked"], filtered["excluded"], filtered["section"]) == (2, 3, 0)
    assert total == 60 - 5
    assert difference(plain, after, "recsys_filtered_total", reason="section") == 45


def test_what_became_of_events_is_counted(client):
    click = event()
    before = readings(client)
    send(client, click, click, event(at="yesterday"))
    after = readings(client)
    counted = {
        outcome: difference(before, after, "recsys_events_total", outcome=outcome)
        for outcome in ("accepted", "duplicate", "rejected")
    }
    assert counted == {"accepted": 1, "duplicate": 1, "rejected": 1}


def test_answers_are_counted_by_version(client, newspaper):
    before = readings(client)
    recommended(client)
    assert difference(before, readings(client), "recsys_answers_total", version=newspaper.live) == 1


def test_the_live_version_and_its_age(client, newspaper):
    until(lambda: value(client, "recsys_model_processes", version=newspaper.live) == 1, 30)
    age = value(client, "recsys_model_age_seconds")
    assert 0 < age < 3600
    client.post(f"/v1/models/{newspaper.candidate}/promote")
    until(lambda: value(client, "recsys_model_processes", version=newspaper.candidate) == 1, 30)
    until(lambda: value(client, "recsys_model_processes", version=newspaper.live) == 0, 30)


def test_the_lag_of_the_log_ends_with_a_new_event(client):
    watch = client.app.state.running.watch
    running = client.app.state.running
    watch.stop()
    watch.look(now=running.live.clock + 500.0)
    assert value(client, "recsys_log_lag_seconds") == pytest.approx(500.0)
    clock = running.live.clock
    send(client, event())
    until(lambda: running.live.clock > clock, 30)
    watch.look(now=running.live.clock)
    assert value(client, "recsys_log_lag_seconds") == 0
    assert value(client, "recsys_log_behind_events") == 0


def test_events_that_are_not_folded_yet_are_counted(client):
    running = client.app.state.running
    running.watch.stop()
    running.live.stop()
    send(client, event(), event(article="a2"))
    running.watch.look()
    assert value(client, "recsys_log_behind_events") == 2


def test_the_live_ctr_by_version(client, newspaper):
    for user in ("u1", "u2", "u3", "u4"):
        answer = recommended(client, user)
        if user != "u4":
            send(client, seen(ids(answer), user, impression_id=answer["impression_id"]))
        if user == "u1":
            send(client, event(user=user, article=ids(answer)[0], impression_id=answer["impression_id"]))
        if user == "u2":
            send(client, event("dismiss", user, ids(answer)[0], impression_id=answer["impression_id"]))
    client.app.state.running.watch.look()
    assert value(client, "recsys_live_impressions", version=newspaper.live) == 3
    assert value(client, "recsys_live_clicks", version=newspaper.live) == 1
    assert value(client, "recsys_live_ctr", version=newspaper.live) == pytest.approx(1 / 3)


def test_the_drift_of_what_is_served_against_training(client):
    running = client.app.state.running
    running.watch.look()
    assert labels_of(client, "recsys_drift_psi", "input") == set()
    answer = running.recommender.recommend("u1", limit=50)
    for user in range(25):
        running.recommender.recommend(f"u{user}", limit=50)
    assert len(answer.items) > 40
    running.watch.look()
    found = labels_of(client, "recsys_drift_psi", "input")
    assert "score" in found
    assert len(found) > 50


def test_scrapers_that_ask_for_open_metrics_get_them(client):
    answer = client.get("/metrics", headers={"Accept": "application/openmetrics-text; version=1.0.0"})
    assert answer.headers["content-type"].startswith("application/openmetrics-text")
    assert answer.text.endswith("# EOF\n")


def test_without_a_model_there_are_metrics(bare):
    bare.app.state.running.watch.look()
    assert labels_of(bare, "recsys_drift_psi", "input") == set()
    assert bare.get("/v1/users/u1/recommendations").status_code == 503
    assert value(bare, "recsys_requests_total", route=ROUTE, method="GET", status="503") >= 1


def test_asking_for_the_metrics_costs_no_query(client):
    running, queries = client.app.state.running, []
    for follower in (running.live, running.watch, running.keyring):
        follower.stop()
    sqlalchemy.event.listen(running.sessions.kw["bind"], "before_cursor_execute", lambda *said: queries.append(said[2]))
    recommended(client)
    running.recommender.served.flush()
    assert queries
    queries.clear()
    readings(client)
    assert queries == []
