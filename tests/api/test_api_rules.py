"""Editors' rules over HTTP: made, listed, ended, audited, and in force from the next request on."""

import pytest
from api_calls import assert_problem, ids, now, recommended
from fastapi.testclient import TestClient
from made_site import section_of

from api.app import create_app

FIELDS = {
    "id", "action", "article_id", "section", "place", "logits", "since", "until", "created_at", "ended_at", "active",
    "changes",
}  # fmt: skip


def order(client, action, **more):
    answer = client.post("/v1/rules", json={"action": action, **more})
    assert answer.status_code == 201, answer.text
    return answer.json()


def test_a_pin_is_made_shown_and_ended(client):
    before = recommended(client)
    rule = order(client, "pin", article_id="a3", place=2)
    assert rule.keys() == FIELDS
    assert (rule["article_id"], rule["place"], rule["active"], rule["ended_at"]) == ("a3", 2, True, None)
    pinned = recommended(client)["items"]
    assert (pinned[1]["article_id"], pinned[1]["rule"]) == ("a3", {"id": rule["id"], "action": "pin"})
    assert all("rule" not in item for item in pinned if item["article_id"] != "a3")
    ended = client.delete(f"/v1/rules/{rule['id']}").json()
    assert (ended["active"], ended["ended_at"] is None) == (False, False)
    assert ids(recommended(client)) == ids(before)


def test_who_made_and_ended_it_is_kept(client):
    number = order(client, "boost", section="food", logits=2.5)["id"]
    client.delete(f"/v1/rules/{number}")
    again = client.delete(f"/v1/rules/{number}").json()  # changes nothing
    assert again == client.get(f"/v1/rules/{number}").json()
    made, ended = again["changes"]
    assert (made["action"], made["who"]) == ("rule.create", "local")
    assert made["details"] == {"action": "boost", "section": "food", "logits": 2.5}
    assert (ended["action"], ended["who"], ended["details"]) == ("rule.end", "local", {})
    assert made["at"] <= ended["at"] == again["ended_at"]


def test_every_process_knows_it_at_the_next_request(client, site):
    with TestClient(create_app(site)) as other:
        first = ids(recommended(other))[0]
        number = order(client, "block", article_id=first)["id"]
        assert first not in ids(recommended(other))
        client.delete(f"/v1/rules/{number}")
        assert first in ids(recommended(other))


def test_boosts_burials_and_blocks_of_sections(client):
    order(client, "block", section="food")
    boost = order(client, "boost", section="science", logits=20)
    items = recommended(client)["items"]
    sections = [section_of(int(item["article_id"][1:])) for item in items]
    assert "food" not in sections
    assert sections[0] == "science"
    touched = [item.get("rule") for item in items]
    assert touched == [{"id": boost["id"], "action": "boost"} if s == "science" else None for s in sections]
    own = [item["article_id"] for item in items] + ["a3"]  # of the blocked section
    ranked = client.post("/v1/users/u1/rank", json={"article_ids": own}).json()
    assert sorted(ids(ranked)) == sorted(own)  # the publisher's own list is the publisher's


def test_from_a_time_to_a_time(client):
    first = ids(recommended(client))[0]
    later = order(client, "block", article_id=first, since=now(3600), until=now(7200))
    assert later["active"] is False
    assert first in ids(recommended(client))
    current = order(client, "block", article_id=first, since=now(-60), until=now(3600))
    assert current["active"] is True
    assert first not in ids(recommended(client))


def test_lists_of_rules(client):
    made = [order(client, "bury", article_id=f"a{n}")["id"] for n in range(4)]
    client.delete(f"/v1/rules/{made[2]}")

    def listed(**query):
        return [rule["id"] for rule in client.get("/v1/rules", params=query).json()["rules"]]

    assert listed() == made[::-1]
    assert listed(active=True) == [made[3], made[1], made[0]]
    assert listed(limit=2, offset=1) == [made[2], made[1]]
    assert listed(active=True, limit=1, offset=1) == [made[1]]


def test_a_deleted_article_is_no_longer_pinned(client):
    order(client, "pin", article_id="a3")
    assert ids(recommended(client))[0] == "a3"
    client.delete("/v1/articles/a3")
    items = recommended(client)["items"]
    assert len(items) == 10
    assert all("rule" not in item for item in items)


def test_a_rule_goes_along_with_a_merged_article(client):
    order(client, "pin", article_id="a3")
    client.post("/v1/articles/a3/merge", json={"into": "a4"})
    first = recommended(client)["items"][0]
    assert (first["article_id"], first["rule"]["action"]) == ("a4", "pin")


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"action": "pin"}, ("article_id",)),
        ({"action": "pin", "section": "food"}, ("only an article",)),
        ({"action": "block", "article_id": "a1", "section": "food"}, ("not both",)),
        ({"action": "block", "article_id": "a1", "place": 2}, ("place",)),
        ({"action": "pin", "article_id": "a1", "place": 0}, ("place",)),
        ({"action": "pin", "article_id": "a1", "logits": 2}, ("logits",)),
        ({"action": "boost", "article_id": "a1", "logits": -1}, ("logits",)),
        ({"action": "promote", "article_id": "a1"}, ("action",)),
        ({"action": "block", "article_id": "a1", "until": "2020-01-01T00:00:00Z"}, ("end before it begins",)),
        ({"action": "block", "article_id": "a1", "until": "2026-01-01"}, ("until",)),
        ({"action": "block", "article_id": "a1", "why": "because"}, ("why",)),
    ],
)
def test_rules_that_cannot_be_are_refused(bare, body, words):
    assert_problem(bare.post("/v1/rules", json=body), 422, *words)


def test_what_is_not_there(bare):
    assert_problem(bare.post("/v1/rules", json={"action": "block", "article_id": "a1"}), 404, "a1", "PUT")
    for call in (bare.get, bare.delete):
        assert_problem(call("/v1/rules/1"), 404, "rule 1")
        assert_problem(call("/v1/rules/none"), 422, "rule_id")
    assert bare.get("/v1/rules").json() == {"rules": []}
