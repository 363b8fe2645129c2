"""Answers as people read them: what the catalogue says of the articles, and which rule touched them."""

from collections.abc import Mapping
from urllib.parse import quote

from recsys.domain import AppliedRule, Article, Explanation, Recommendation, is_address
from recsys.pipeline import recommend as pipeline


def described(
    answer: pipeline.Answer, found: Mapping[int, Article], why: Mapping[int, Explanation]
) -> list[Recommendation]:
    """The articles of an answer that were found (by key), with the explanations that there are (by key)."""
    columns = zip(answer.keys.tolist(), answer.scores, answer.source, answer.touched, strict=True)
    lines = [line for line in columns if line[0] in found]
    return [
        Recommendation(
            article_id=found[key].article_id,
            title=found[key].title,
            section=found[key].section,
            image_url=image_url(found[key]),
            published_at=found[key].published_at,
            position=place + 1,
            score=float(score),
            source=source,
            explanation=why.get(key),
            rule=None if rule is None else AppliedRule(str(rule.rule), rule.action),
        )
        for place, (key, score, source, rule) in enumerate(lines)
    ]


def image_url(article: Article) -> str | None:
    """Where a browser finds the picture: the publisher's address, or this API's own for local files."""
    if article.image is None or is_address(article.image):
        return article.image
    return f"/v1/articles/{quote(article.article_id, safe='')}/image"
