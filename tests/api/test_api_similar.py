"""The nearest articles of one article."""

import pytest
from api_calls import assert_problem
from made_site import section_of


@pytest.mark.parametrize("by", ["fused", "title", "image"])
def test_neighbours_are_alike(client, by):
    answer = client.get(f"/v1/articles/a1/similar?by={by}&limit=6").json()
    assert (answer["article_id"], answer["by"]) == ("a1", by)
    similarities = [item["similarity"] for item in answer["items"]]
    assert len(similarities) == 6
    assert similarities == sorted(similarities, reverse=True)
    assert all(-1.001 <= similarity <= 1.001 for similarity in similarities)
    found = [item["article_id"] for item in answer["items"]]
    assert "a1" not in found
    assert sum(section_of(int(article[1:])) == section_of(1) for article in found) >= 4
    assert all(item.keys() == {"article_id", "title", "similarity", "image_url"} for item in answer["items"])


def test_title_alone_is_the_default_of_nothing(client):
    default = client.get("/v1/articles/a1/similar").json()
    assert default["by"] == "fused"
    assert default == client.get("/v1/articles/a1/similar?by=fused&limit=10").json()


def test_without_a_picture_there_is_no_neighbour_by_picture(client):
    assert client.get("/v1/articles/a9/similar?by=image").json()["items"] == []
    assert len(client.get("/v1/articles/a9/similar?by=title").json()["items"]) == 10


def test_a_deleted_article_is_nobodys_neighbour(client):
    nearest = client.get("/v1/articles/a1/similar").json()["items"][0]["article_id"]
    client.delete(f"/v1/articles/{nearest}")
    items = client.get("/v1/articles/a1/similar").json()["items"]
    assert nearest not in [item["article_id"] for item in items]
    assert len(items) == 10
    assert_problem(client.get(f"/v1/articles/{nearest}/similar"), 404, nearest)


def test_wrong_questions_are_refused(client):
    assert_problem(client.get("/v1/articles/a1/similar?by=smell"), 422, "by fused, title or image")
    assert_problem(client.get("/v1/articles/a1/similar?limit=101"), 422, "limit")
    assert_problem(client.get("/v1/articles/who/similar"), 404, "who")
