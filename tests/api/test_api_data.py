"""What the database holds, and the usual troubles with it."""

from dataclasses import asdict

from api_calls import event, seen, send
from made_site import ARTICLES, LISTS, SECTIONS

from api.problems import without_paths
from recsys.lifecycle.doctor import examine


def test_the_data_are_counted(client):
    data = client.get("/v1/data").json()
    assert data["articles"] == {"catalogue": ARTICLES, "undescribed": 0}
    assert data["log"]["impressions"] == LISTS
    assert data["log"]["first"] < data["log"]["last"]
    assert {content["modality"]: content["ok"] for content in data["contents"]} == {"title": 60, "image": 54}
    assert {part["section"]: part["articles"] for part in data["sections"]} == dict.fromkeys(SECTIONS, 15)


def test_there_are_names_to_begin_with(client):
    newest = client.get("/v1/newest").json()
    assert [article["article_id"] for article in newest["articles"]] == [f"a{59 - n}" for n in range(20)]
    assert newest["sections"] == sorted(SECTIONS)
    assert len(newest["readers"]) == len(set(newest["readers"])) == 20


def test_what_comes_in_counts(client):
    before = client.get("/v1/data").json()
    send(client, event(user="newcomer"), seen(["a1", "brand new"], user="newcomer"))
    after = client.get("/v1/data").json()
    assert client.get("/v1/newest").json()["readers"][0] == "newcomer"
    assert after["log"]["readers"] == before["log"]["readers"] + 1
    assert (after["log"]["clicks"], after["log"]["impressions"]) == (before["log"]["clicks"] + 1, LISTS + 1)
    assert after["articles"]["undescribed"] == 1


def test_an_empty_database_is_described(bare):
    data = bare.get("/v1/data").json()
    assert data["log"] == {"impressions": 0, "clicks": 0, "readers": 0, "first": None, "last": None}
    assert (data["contents"], data["sections"]) == ([], [])
    assert bare.get("/v1/newest").json() == {"articles": [], "readers": [], "sections": []}


def test_troubles_are_found_as_by_the_doctor(bare, settings):
    findings = bare.get("/v1/findings").json()["findings"]
    assert findings
    said = [asdict(finding) for finding in examine(settings)]
    assert [finding["severity"] for finding in findings] == [finding["severity"] for finding in said]
    assert [finding["what"] for finding in findings] == [without_paths(finding["what"], settings) for finding in said]
    assert str(settings.home) not in str(findings)
