"""Headlines and summaries of the synthetic sample, drawn from the grammar in ``grammar.toml``."""

import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import numpy as np

from recsys.domain import RecsysError

Words = Mapping[str, Sequence[str]]
_CHOICE = re.compile(r"<([^<>]*)>")
_SLOT = re.compile(r"\{(\w+(?:\.\d)?)(?:=(\d+)\.\.(\d+))?\}")
_ARTICLE = re.compile(r"\b([Aa]) (?=[aeioAEIO]|8|11\b|18\b)(?!one)")
KICKER_SHARE = 0.75  # of the headlines without a colon begin with a kicker
_LAST_YEAR = 2100  # ranges that end below may be years, which take no comma
_DRAWS = 200  # a topic that cannot make a new headline in so many draws is exhausted


@dataclass(frozen=True, slots=True)
class Topic:
    """What readers have a taste for: one kind of story within a section."""

    section: str
    name: str
    words: Words
    kickers: tuple[str, ...]  # names of the topic that may stand before a headline
    stories: tuple[tuple[str, str], ...]  # (headline, summary) templates


@dataclass(slots=True)
class _Story:
    """The words bound so far in one story, so that headline and summary speak of the same things."""

    words: Words
    rng: np.random.Generator
    bound: dict[str, str] = field(default_factory=dict)
    used: set[str] = field(default_factory=set)  # asked for membership alone, so its order never matters

    def tell(self, template: str) -> str:
        """Fill a template in; its alternatives first, because they may hold slots."""
        while _CHOICE.search(template):
            template = _CHOICE.sub(lambda match: self._draw(match[1].split("|")), template)
        return _polish(_SLOT.sub(self._slot, template))

    def _slot(self, match: re.Match[str]) -> str:
        key, low, high = match.groups()
        if key not in self.bound:
            self.bound[key] = self._number(int(low), int(high)) if low else self._word(key)
        return self.bound[key]

    def _number(self, low: int, high: int) -> str:
        number = int(self.rng.integers(low, high + 1))
        return f"{number:,}" if high > _LAST_YEAR else str(number)

    def _word(self, key: str) -> str:
        name = key.split(".")[0]
        fresh = [word for word in self.words[name] if word not in self.used]
        word = self._draw(fresh)
        self.used.add(word)
        return _SLOT.sub(lambda match: self._word(match[1]), word)

    def _draw(self, options: Sequence[str]) -> str:
        return options[int(self.rng.integers(len(options)))]


def _polish(text: str) -> str:
    """Right articles ("an 8-week strike") and a capital at the start of each sentence."""
    text = _ARTICLE.sub(r"\1n ", text)
    return re.sub(r"(^'?|[.?!] '?)([a-z])", lambda match: match[1] + match[2].upper(), text)


@cache
def load_topics() -> tuple[Topic, ...]:
    """The topics of the grammar, in its order."""
    grammar = tomllib.loads(Path(__file__).with_name("grammar.toml").read_text(encoding="utf-8"))
    return tuple(
        Topic(
            section=section,
            name=name,
            words={**grammar["words"], **body.get("words", {})},
            kickers=tuple(body["kickers"]),
            stories=tuple((headline, summary) for headline, summary in body["stories"]),
        )
        for section, topics in grammar["section"].items()
        for name, body in topics.items()
    )


def deck(topic: Topic, rng: np.random.Generator) -> Iterator[tuple[str, str]]:
    """Stories of a topic with no headline twice; every template is used before any is used again.

    Raises ``RecsysError`` where the grammar has no further headline.
    """
    told: set[str] = set()
    while True:
        before = len(told)
        for place in rng.permutation(len(topic.stories)):
            story = _new_story(topic, topic.stories[place], told, rng)
            if story:
                told.add(story[0])
                yield story
        if len(told) == before:
            raise RecsysError(f"The sample's grammar has no further headlines on {topic.name}: ask for fewer articles.")


def _new_story(
    topic: Topic, templates: tuple[str, str], told: set[str], rng: np.random.Generator
) -> tuple[str, str] | None:
    for _ in range(_DRAWS):
        story = _Story(topic.words, rng)
        headline = _with_kicker(story.tell(templates[0]), topic, rng)
        if headline not in told:
            return headline, story.tell(templates[1])
    return None


def _with_kicker(headline: str, topic: Topic, rng: np.random.Generator) -> str:
    if ":" in headline or rng.random() > KICKER_SHARE:
        return headline
    return f"{topic.kickers[int(rng.integers(len(topic.kickers)))]}: {headline}"
