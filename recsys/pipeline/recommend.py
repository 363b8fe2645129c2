"""How an answer is made, in one readable place: filters, sources, scorer, selector."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from recsys.columns import Floats32, Ints
from recsys.features.features import REQUEST
from recsys.pipeline import scorer, selector
from recsys.pipeline.model import Model
from recsys.pipeline.pool import gather_many
from recsys.pipeline.situation import Reader, Request, World
from recsys.pipeline.taste import Taste, tastes
from recsys.pipeline.towers import blended_scores

SELECTED_FROM = 50  # so many of the best candidates the selector chooses from


@dataclass(frozen=True)
class Rules:
    """What a list is besides the best articles."""

    limit: int
    diversity: float
    section_cap: int


@dataclass(frozen=True)
class Answer:
    """The chosen articles, first place first."""

    keys: Ints  # (n,)
    scores: Floats32  # (n,) P(click | shown in this list)
    source: list[str]
    rows: Floats32  # (n, width) the inputs of the ranking head


def recommend(
    model: Model, reader: Reader, request: Request, limit: int, *, diversity: float, section_cap: int
) -> Answer:
    """The ``limit`` best articles for one request."""
    return recommend_many(model, reader, [request], Rules(limit, diversity, section_cap))[0]


def recommend_many(model: Model, reader: Reader, requests: Sequence[Request], rules: Rules) -> list[Answer]:
    """The best articles for each of some requests of one instant, as if each was answered alone.

    Products of larger matrices round otherwise: scores differ by up to 1e-5, and the order only between such equals.
    """
    if not requests:
        return []
    users = tastes(model.views, requests)
    found = gather_many(model.views, reader.world, requests, users)
    ranked = rank_many(model, reader, requests, [candidates.keys for candidates in found], users)
    chosen = [
        compose(model, reader.world, request, candidates.keys, scored, rules)
        for request, candidates, scored in zip(requests, found, ranked, strict=True)
    ]
    rows = [scored.rows[places] for scored, places in zip(ranked, chosen, strict=True)]
    utilities = [scored.utility[places] for scored, places in zip(ranked, chosen, strict=True)]
    scores = probabilities_many(model, rows, utilities)
    return [
        Answer(candidates.keys[places], scores[i], [candidates.source[place] for place in places], rows[i])
        for i, (candidates, places) in enumerate(zip(found, chosen, strict=True))
    ]


def rank(model: Model, reader: Reader, request: Request, keys: Ints) -> scorer.Scored:
    """Candidates (n,), best first; by the blend of both views where the log gave no head."""
    return rank_many(model, reader, [request], [keys], tastes(model.views, [request]))[0]


def rank_many(
    model: Model, reader: Reader, requests: Sequence[Request], keys: Sequence[Ints], users: Sequence[Taste]
) -> list[scorer.Scored]:
    """The same for the candidates of each request."""
    modalities, asked = model.views.towers.content_space.present, list(zip(requests, keys, users, strict=True))
    rows = [scorer.inputs(model.views, modalities, reader, request, k, taste.user) for request, k, taste in asked]
    if model.heads is not None:
        return scorer.score_many(model.heads.pointwise, rows)
    utilities = [blended(model, *one) for one in asked]
    return [scorer.scored(part, utility) for part, utility in zip(rows, utilities, strict=True)]


def compose(model: Model, world: World, request: Request, keys: Ints, scored: scorer.Scored, rules: Rules) -> Ints:
    """Places of the selected candidates, first place first."""
    best = scored.order[: max(SELECTED_FROM, rules.limit)]
    places = selector.select(
        scored.utility[best],
        model.views.content.vectors(keys[best])[0],
        world.catalogue.section[keys[best]],
        rules.limit,
        diversity=rules.diversity,
        section_cap=rules.section_cap if request.section is None else rules.limit,
    )
    return best[places]


def blended(model: Model, request: Request, keys: Ints, taste: Taste | None = None) -> Floats32:
    """Scores of both towers' views, weighed by what is known of each article (n,); zeros for a user without history."""
    views = model.views
    taste = tastes(views, [request])[0] if taste is None else taste
    if not taste.is_learned:
        return np.zeros(len(keys), np.float32)
    learned, content = views.learned.vectors(keys)[0] @ taste.user, views.content.vectors(keys)[0] @ taste.profile
    return blended_scores(learned, content, views.towers.blend(keys))


def probabilities(model: Model, rows: Floats32, utility: Floats32) -> Floats32:
    """P(click | shown in this list); without a head, the utilities' shares of one click."""
    return probabilities_many(model, [rows], [utility])[0]


def probabilities_many(model: Model, rows: Sequence[Floats32], utilities: Sequence[Floats32]) -> list[Floats32]:
    """The same for many lists."""
    if model.heads is not None:
        return scorer.probabilities_of_lists(model.heads.listwise, rows)
    weights = [np.exp(utility - utility.max(initial=-np.inf)) for utility in utilities]
    return [np.asarray(weight / weight.sum(), np.float32) for weight in weights]


def named_inputs(model: Model, row: Floats32) -> dict[str, float]:
    """The ranking head's inputs for one article, by name, without those that belong to the request."""
    names = scorer.input_names(model.views.towers.content_space.present)
    return {name: round(float(value), 4) for name, value in zip(names[: -len(REQUEST)], row, strict=False)}
