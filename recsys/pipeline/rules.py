"""What editors' rules, and a user's weariness of what was shown before, make of one answer.

Blocked articles are no candidates. Pinned and boosted ones are candidates though no source found them. Boosts and
burials move utilities before the selector chooses; pins take their places after it. What the user has read, what the
request excludes and other sections than the one asked for stay out whatever a rule says, and a block outweighs a pin.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from recsys.columns import Bools, Ints
from recsys.database.rules import Rule
from recsys.pipeline import filters, scorer
from recsys.pipeline.situation import Request, World
from recsys.pipeline.sources import Candidates

SOURCE = "editors"  # of a candidate that nothing but a rule found


@dataclass(frozen=True)
class Orders:
    """The rules as they bear on one request."""

    world: World
    request: Request  # what is blocked is excluded
    tired: Ints  # (t,) what is not shown once more, unless there is nothing else; nothing that is pinned
    pins: dict[int, Rule]  # by the place they take, from 0
    moves: tuple[Rule, ...]  # boosts and burials
    limit: int

    def joined(self, found: Candidates) -> Candidates:
        """The candidates of the sources, and behind them those that a rule names."""
        if not self.pins and not self.moves:
            return found
        new = self._named[~np.isin(self._named, found.keys)]
        return Candidates(np.concatenate([found.keys, new]), [*found.source, *[SOURCE] * len(new)])

    def moved(self, keys: Ints, scored: scorer.Scored) -> scorer.Scored:
        """The candidates (n,) by their utilities with boosts and burials; what the user is tired of comes last."""
        if not self.moves and not len(self.tired):
            return scored
        utility = scored.utility.copy()
        for rule in self.moves:
            utility[_is_of(self.world, keys, rule)] += _logits(rule)
        utility[np.isin(keys, self.tired)] = -np.inf
        return scorer.scored(scored.rows, utility)

    def placed(self, keys: Ints, chosen: Ints) -> Ints:
        """The chosen candidates (places among the keys) with the pinned ones where they belong."""
        if not self.pins:
            return chosen
        pinned = {place: int(np.flatnonzero(keys == rule.article)[0]) for place, rule in self.pins.items()}
        others = [row for row in chosen.tolist() if row not in pinned.values()]
        for place in sorted(pinned):
            others.insert(place, pinned[place])
        return np.array(others[: self.limit], np.int64)

    def touched(self, keys: Ints) -> list[Rule | None]:
        """The rule that had most to do with where each article stands: its pin, else its newest boost or burial.

        A rule of the article itself comes before one of its section.
        """
        found: dict[int, Rule] = {}
        for rule in sorted(self.moves, key=lambda rule: (rule.article is not None, rule.rule)):
            found |= dict.fromkeys(keys[_is_of(self.world, keys, rule)].tolist(), rule)
        found |= {rule.article: rule for rule in self.pins.values() if rule.article is not None}
        return [found.get(key) for key in keys.tolist()]

    @cached_property
    def _named(self) -> Ints:
        boosted = _articles(rule for rule in self.moves if rule.action == "boost")
        keys = np.union1d(_articles(self.pins.values()), boosted[~np.isin(boosted, self.tired)])
        return filters.eligible(self.world, self.request, keys)


def orders(world: World, request: Request, rules: Sequence[Rule], *, limit: int, tired_after: int) -> Orders:
    """What the rules in force, and how often articles were shown, mean for one request."""
    request = _less_blocked(world, request, [rule for rule in rules if rule.action == "block"])
    pins = _pins(world, request, [rule for rule in rules if rule.action == "pin"], limit)
    tired = filters.tired(request, tired_after)
    if pins and len(tired):
        tired = tired[~np.isin(tired, _articles(pins.values()))]
    moves = tuple(rule for rule in rules if rule.action in ("boost", "bury"))
    return Orders(world, request, tired, pins, moves, limit)


def _less_blocked(world: World, request: Request, blocks: Sequence[Rule]) -> Request:
    if not blocks:
        return request
    everything = np.arange(len(world.catalogue))
    blocked = np.zeros(len(everything), np.bool_)
    for rule in blocks:
        blocked |= _is_of(world, everything, rule)
    return replace(request, exclude=np.concatenate([request.exclude, np.flatnonzero(blocked)]))


def _pins(world: World, request: Request, pins: Sequence[Rule], limit: int) -> dict[int, Rule]:
    """Pins by place, from 0. Of two with one place the newer one has it, and the other comes next.

    An article that is pinned twice stands where the newer pin says. A place that this list does not have is none.
    """
    if not pins:
        return {}
    newest = {rule.article: rule for rule in sorted(pins, key=lambda rule: rule.rule) if rule.article is not None}
    shown = set(filters.eligible(world, request, np.array(list(newest), np.int64)).tolist())
    taken: dict[int, Rule] = {}
    for rule in sorted((newest[key] for key in shown), key=lambda rule: (rule.place or 1, -rule.rule)):
        place = (rule.place or 1) - 1
        while place in taken:
            place += 1
        taken[place] = rule
    return {place: rule for place, rule in taken.items() if place < limit}


def _articles(rules: Iterable[Rule]) -> Ints:
    """Keys of the articles that rules name."""
    return np.array([rule.article for rule in rules if rule.article is not None], np.int64)


def _is_of(world: World, keys: Ints, rule: Rule) -> Bools:
    """Which of the articles (n,) a rule speaks of."""
    if rule.section is not None:
        return filters.in_section(world, keys, rule.section)
    return np.asarray(keys == rule.article)


def _logits(rule: Rule) -> float:
    return (rule.amount or 0.0) * (1.0 if rule.action == "boost" else -1.0)
