"""How an answer is made, in one readable place: filters, sources, scorer, selector."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from recsys.columns import Floats, Floats32, Ints
from recsys.database.rules import Rule
from recsys.pipeline import scorer, selector
from recsys.pipeline.exploration import Exploration, explored
from recsys.pipeline.ground import Ground, ground_of
from recsys.pipeline.model import Model
from recsys.pipeline.pool import gather_many
from recsys.pipeline.rules import Orders, orders
from recsys.pipeline.situation import Reader, Request, World
from recsys.pipeline.sources import Candidates
from recsys.pipeline.taste import Taste, tastes
from recsys.pipeline.towers import blended_scores
from recsys.stages import stage

SELECTED_FROM = 50  # so many of the best candidates the selector chooses from


@dataclass(frozen=True)
class ListOptions:
    """What a list is besides the best articles."""

    limit: int
    diversity: float
    section_cap: int
    tired_after: int = 0  # showings without a click; 0: nobody tires
    editors: tuple[Rule, ...] = ()  # those in force
    exploration: Exploration | None = None


@dataclass(frozen=True)
class Answer:
    """The chosen articles, first place first."""

    keys: Ints  # (n,)
    scores: Floats32  # (n,) P(click | shown in this list)
    source: list[str]
    rows: Floats32  # (n, width) the inputs of the ranking head
    touched: list[Rule | None] = field(default_factory=list)  # the editors' rule behind each place, where there is one
    propensities: Floats | None = None  # (n,) of each article at its place; None where nothing is left to chance

    def without(self, gone: Sequence[int]) -> "Answer":
        """The same list less some articles (keys); without propensities, since it was not drawn like that."""
        left = np.flatnonzero(~np.isin(self.keys, gone))
        source, touched = [self.source[row] for row in left], [self.touched[row] for row in left]
        return Answer(self.keys[left], self.scores[left], source, self.rows[left], touched)


def recommend_many(
    model: Model, reader: Reader, requests: Sequence[Request], options: ListOptions, ground: Ground | None = None
) -> list[Answer]:
    """The best articles for each of some requests of one instant, as if each was answered alone.

    Products of larger matrices round otherwise: scores differ by up to 1e-5, and the order only between such equals.
    ``ground`` spares preparing what all requests of about this instant have in common.
    """
    if not requests:
        return []
    ground = ground or ground_of(model.views, reader.world, requests[0].at)
    with stage("filter"):
        ordered = [
            orders(reader.world, request, options.editors, limit=options.limit, tired_after=options.tired_after)
            for request in requests
        ]
    requests = [order.request for order in ordered]
    with stage("retrieve"):
        users = tastes(model.views, requests)
    gathered = gather_many(ground, requests, users, [order.tired for order in ordered], options.limit)
    found = [order.joined(candidates) for order, candidates in zip(ordered, gathered, strict=True)]
    with stage("score"):
        ranked = rank_many(model, reader, requests, [candidates.keys for candidates in found], users)
    with stage("select"):
        chosen = [_chosen(model, *one, options) for one in zip(ordered, found, ranked, strict=True)]
    with stage("score"):
        scores = probabilities_many(model, [one.rows for one in chosen], [one.utilities for one in chosen])
    return [
        Answer(one.keys, score, one.source, one.rows, order.touched(one.keys), one.propensities)
        for one, score, order in zip(chosen, scores, ordered, strict=True)
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


def compose(
    model: Model, world: World, request: Request, keys: Ints, scored: scorer.Scored, options: ListOptions
) -> Ints:
    """Places of the selected candidates, first place first."""
    best = scored.order[: max(SELECTED_FROM, options.limit)]
    places = selector.select(
        scored.utility[best],
        model.views.content.vectors(keys[best])[0],
        world.catalogue.section[keys[best]],
        options.limit,
        diversity=options.diversity,
        section_cap=options.section_cap if request.section is None else options.limit,
    )
    return best[places]


@dataclass(frozen=True)
class _Chosen:
    """The list of one answer, before anybody knows how likely it is clicked."""

    keys: Ints  # (n,)
    source: list[str]
    rows: Floats32  # (n, width)
    utilities: Floats32  # (n,)
    propensities: Floats | None


def _chosen(model: Model, order: Orders, found: Candidates, scored: scorer.Scored, options: ListOptions) -> _Chosen:
    places, propensities = _drawn(model, order, found.keys, scored, options)
    source = [found.source[place] for place in places]
    return _Chosen(found.keys[places], source, scored.rows[places], scored.utility[places], propensities)


def _drawn(
    model: Model, order: Orders, keys: Ints, scored: scorer.Scored, options: ListOptions
) -> tuple[Ints, Floats | None]:
    """Places of the chosen candidates, and with exploration the propensity of each; what is pinned is not explored."""
    moved = order.moved(keys, scored)
    chosen = compose(model, order.world, order.request, keys, moved, options)
    if options.exploration is None or order.pins:
        return order.placed(keys, chosen), None
    best = moved.order[: max(SELECTED_FROM, options.limit)]
    greedy = np.array([best.tolist().index(row) for row in chosen.tolist()], np.int64)
    cap = (
        options.limit if order.request.section is not None else selector.most_of_one(options.section_cap, options.limit)
    )
    sections = order.world.catalogue.section[keys[best]]
    drawn = explored(moved.utility[best], greedy, sections, cap, options.exploration)
    return best[drawn.rows], drawn.propensities


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
