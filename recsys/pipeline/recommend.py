"""How an answer is made, in one readable place: filters, sources, scorer, selector."""

from dataclasses import dataclass

import numpy as np

from recsys.columns import Floats32, Ints
from recsys.features.features import REQUEST
from recsys.pipeline import filters, scorer, selector, sources
from recsys.pipeline.model import Model
from recsys.pipeline.situation import Reader, Request
from recsys.pipeline.towers import blended_scores

SELECTED_FROM = 50  # so many of the best candidates the selector chooses from


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
    allowed = filters.allowed(reader.world, request)
    found = sources.gather(model.views, reader.world, request, allowed)
    ranked = rank(model, reader, request, found.keys)
    best = ranked.order[: max(SELECTED_FROM, limit)]
    vectors, _ = model.views.content.vectors(found.keys[best])
    cap = section_cap if request.section is None else limit
    places = selector.select(
        ranked.utility[best],
        vectors,
        reader.world.catalogue.section[found.keys[best]],
        limit,
        diversity=diversity,
        section_cap=cap,
    )
    chosen = best[places]
    rows = ranked.rows[chosen]
    return Answer(
        found.keys[chosen], probabilities(model, rows, ranked.utility[chosen]), [found.source[i] for i in chosen], rows
    )


def rank(model: Model, reader: Reader, request: Request, keys: Ints) -> scorer.Scored:
    """Candidates (n,), best first; by the blend of both views where the log gave no head."""
    modalities = model.views.towers.content_space.modalities
    rows = scorer.inputs(model.views, modalities, reader, request, keys)
    if model.heads is not None:
        return scorer.score(model.heads.pointwise, rows)
    utility = blended(model, request, keys)
    return scorer.Scored(np.argsort(-utility, kind="stable"), rows, utility)


def blended(model: Model, request: Request, keys: Ints) -> Floats32:
    """Scores of both towers' views, weighed by what is known of each article (n,); zeros for a user without history."""
    views, towers = model.views, model.views.towers
    items, known = views.learned.vectors(request.history)
    read, there = views.content.vectors(request.history)
    if not items.any():
        return np.zeros(len(keys), np.float32)
    user = towers.user_vectors(items[None], request.ages[None], known[None])[0]
    profile = towers.content_profiles(read[None], request.ages[None], there[None])[0]
    learned, content = views.learned.vectors(keys)[0] @ user, views.content.vectors(keys)[0] @ profile
    return blended_scores(learned, content, towers.blend(keys))


def probabilities(model: Model, rows: Floats32, utility: Floats32) -> Floats32:
    """P(click | shown in this list); without a head, the utilities' shares of one click."""
    if len(rows) == 0:
        return np.zeros(0, np.float32)
    if model.heads is not None:
        return scorer.list_probabilities(model.heads.listwise, rows)
    weights = np.exp(utility - utility.max())
    return np.asarray(weights / weights.sum(), np.float32)


def named_inputs(model: Model, row: Floats32) -> dict[str, float]:
    """The ranking head's inputs for one article, by name, without those that belong to the request."""
    names = scorer.input_names(model.views.towers.content_space.modalities)
    return {name: round(float(value), 4) for name, value in zip(names[: -len(REQUEST)], row, strict=False)}
