"""Explanations as people read them: keys become the ids and titles of what was read."""

from collections.abc import Mapping

import numpy as np
from sqlalchemy.orm import Session

from recsys.columns import Floats32
from recsys.database import articles
from recsys.domain import Explanation, RankingInput, ReadArticle
from recsys.features.features import REQUEST
from recsys.pipeline import explain
from recsys.pipeline import recommend as pipeline
from recsys.pipeline.explain import Why
from recsys.pipeline.model import Model
from recsys.pipeline.scorer import input_names
from recsys.pipeline.situation import Request

DIGITS = 4

Named = tuple[str, str | None]  # id and title of an article


def explanations(session: Session, model: Model, request: Request, answer: pipeline.Answer) -> dict[int, Explanation]:
    """Why each article of an answer was recommended, by key; what was read and is deleted by now is not named."""
    found = explain.explained(model, request, answer.keys, answer.rows)
    read = {key for why in found for key in (*why.nearest, *(key for key, _ in why.clicks))}
    named = articles.named_by_key(session, read)
    return {
        key: _explanation(why, features, named)
        for key, why, features in zip(answer.keys.tolist(), found, _named_inputs(model, answer.rows), strict=True)
    }


def _named_inputs(model: Model, rows: Floats32) -> list[dict[str, float]]:
    """The ranking head's inputs (n, width) by name, without those that belong to the request."""
    names = input_names(model.views.towers.content_space.present)[: -len(REQUEST)]
    varying = rows[:, : len(names)].astype(np.float64).round(DIGITS)
    return [dict(zip(names, row, strict=True)) for row in varying.tolist()]


def _explanation(why: Why, features: dict[str, float], named: Mapping[int, Named]) -> Explanation:
    return Explanation(
        because=tuple(named[key][1] or named[key][0] for key in why.nearest if key in named),
        modalities={name: round(weight, 3) for name, weight in why.weights.items()},
        features=features,
        because_of=tuple(ReadArticle(*named[key], round(logits, DIGITS)) for key, logits in why.clicks if key in named),
        shapley={name: round(logits, DIGITS) for name, logits in why.shapley.items()},
        moved_by=tuple(RankingInput(name, round(value, DIGITS), round(by, DIGITS)) for name, value, by in why.inputs),
    )
