"""Answers as people read them: what the catalogue says of the articles, and why they were recommended."""

from collections.abc import Mapping
from urllib.parse import quote

import numpy as np
from sqlalchemy.orm import Session

from recsys.database import articles
from recsys.domain import Article, Explanation, Recommendation
from recsys.pipeline import explain
from recsys.pipeline import recommend as pipeline
from recsys.pipeline.load import load_content
from recsys.pipeline.model import Model
from recsys.pipeline.situation import Request


def described(
    answer: pipeline.Answer, found: Mapping[int, Article], why: Mapping[int, Explanation]
) -> list[Recommendation]:
    """The articles of an answer that were found (by key), with the explanations that there are (by key)."""
    lines = [line for line in zip(answer.keys.tolist(), answer.scores, answer.source, strict=True) if line[0] in found]
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
        )
        for place, (key, score, source) in enumerate(lines)
    ]


def explanations(session: Session, model: Model, request: Request, answer: pipeline.Answer) -> dict[int, Explanation]:
    """Why each article of an answer was recommended, by key."""
    because = {int(key): explain.reasons(model.views, int(key), request.history) for key in answer.keys}
    named = articles.articles_by_key(session, {key for keys in because.values() for key in keys})
    content = load_content(session, model.encoders, np.sort(answer.keys))
    weights = model.views.towers.item_vectors(content, answer.keys)[1]
    return {
        int(key): Explanation(
            tuple(named[read].title or named[read].article_id for read in because[int(key)] if read in named),
            explain.modality_weights(model.views, weights[place]),
            pipeline.named_inputs(model, answer.rows[place]),
        )
        for place, key in enumerate(answer.keys)
    }


def image_url(article: Article) -> str | None:
    """Where a browser finds the picture: the publisher's address, or this API's own for local files."""
    if article.image is None or article.image.startswith(("http://", "https://")):
        return article.image
    return f"/v1/articles/{quote(article.article_id, safe='')}/image"
