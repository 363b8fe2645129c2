"""Gives every article its vectors: looks up what is cached, encodes the rest, stores both in batches."""

import logging
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from recsys.columns import Bools, Floats32
from recsys.database import articles, health, unpictured, vectors
from recsys.database.bulk import one_at_a_time
from recsys.database.session import Sessions, writing
from recsys.database.vectors import Content
from recsys.domain import Article
from recsys.encoders import Encoder, ViewEncoder, language_warnings
from recsys.encoders.text import TitleEncoder
from recsys.progress import StageProgress

log = logging.getLogger(__name__)

BATCH = 256
SAMPLE = 5000  # newly encoded titles whose tokens are looked at
UNREAD = "{:,} of {:,} pictures could not be read: `recsys doctor` says why. What comes later is found by the next run."


@dataclass
class EncodeReport:
    """Articles by modality: newly encoded, found in the cache, without the modality, and with a broken one.

    Augmented views are counted by themselves, as "title#view1".
    """

    encoded: dict[str, int] = field(default_factory=dict)
    cached: dict[str, int] = field(default_factory=dict)
    missing: dict[str, int] = field(default_factory=dict)
    broken: dict[str, int] = field(default_factory=dict)
    unknown_tokens: dict[str, float] = field(default_factory=dict)  # share by language
    warnings: list[str] = field(default_factory=list)

    @property
    def lines(self) -> list[str]:
        """What was done, by modality, for people."""
        outcomes = ("encoded", "cached", "missing", "broken")
        return [
            f"{name}: " + ", ".join(f"{getattr(self, outcome).get(name, 0):,} {outcome}" for outcome in outcomes)
            for name in self.encoded
        ]

    @property
    def looked_at(self) -> int:
        """Articles times modalities that were looked at."""
        return sum(sum(counts.values()) for counts in (self.encoded, self.cached, self.missing, self.broken))


def encode_new(
    sessions: Sessions,
    encoders: Sequence[Encoder],
    progress: StageProgress | None = None,
    among: Collection[int] | None = None,
) -> EncodeReport:
    """Encode what has no vector yet; each batch is stored as it is done, so an interruption loses one batch at most.

    Whoever knows which articles may be new names their keys with ``among``, and no others are looked at; else pictures
    that were not there the last time are looked for once more.
    """
    report = EncodeReport()
    for encoder in encoders:
        pictures = among is None and _name(encoder) == "image"  # altered views come after it, and see the same files
        if pictures:
            _look_again(sessions, encoder)
        for counts in (report.encoded, report.cached, report.missing, report.broken):
            counts[_name(encoder)] = 0
        _encode_modality(sessions, encoder, report, progress, among)
        if pictures:
            report.warnings += _unread(sessions, encoder)
    return report


def _encode_modality(
    sessions: Sessions,
    encoder: Encoder,
    report: EncodeReport,
    progress: StageProgress | None,
    among: Collection[int] | None,
) -> None:
    modality, done = encoder.modality, 0
    sample: list[Article] = []
    with sessions() as session:
        total = vectors.count_not_encoded(session, modality, encoder.encoder_id) if among is None else len(among)
    while True:
        with sessions() as session:
            batch = vectors.not_encoded(session, modality, encoder.encoder_id, BATCH, among)
        if not batch:
            break
        made = _encode_batch(sessions, encoder, batch, report)
        sample += made[: SAMPLE - len(sample)]
        done += len(batch)
        if progress:
            progress(_name(encoder), done, total)
    if sample and isinstance(encoder, TitleEncoder):
        report.unknown_tokens = encoder.unknown_share(sample)
        report.warnings += language_warnings(report.unknown_tokens)


def _look_again(sessions: Sessions, encoder: Encoder) -> None:
    """Have the encoders look again at pictures that were not there when they looked, and are now."""
    with sessions() as session:
        absent = unpictured.absent(session, encoder.encoder_id)
    there = [key for key, article in absent if encoder.content_hash(article) is not None]
    if there:
        with writing(sessions) as session:
            unpictured.look_again(session, there)


def _unread(sessions: Sessions, encoder: Encoder) -> list[str]:
    with sessions() as session:
        looked_at, failed = health.pictures_read(session, encoder.encoder_id)
    return [UNREAD.format(failed, looked_at)] if failed else []


def _encode_batch(
    sessions: Sessions, encoder: Encoder, batch: list[tuple[int, Article]], report: EncodeReport
) -> list[Article]:
    """Encode and store one batch, and return those articles of it that had to be encoded."""
    hashes = {key: encoder.content_hash(article) for key, article in batch}
    with sessions() as session:
        known = vectors.known_hashes(session, encoder.encoder_id, {h for h in hashes.values() if h})
    new = {h: article for key, article in batch if (h := hashes[key]) and h not in known}
    made, readable = encoder.encode(list(new.values()))
    readable = _finite(encoder, made, readable)
    fresh: dict[str, Floats32] = {h: v for h, v, ok in zip(new, made, readable, strict=True) if ok}
    with writing(sessions) as session:
        one_at_a_time(session, "articles")  # else one could be rewritten between the look at it and the commit
        now = articles.articles_by_key(session, hashes)
        same = [  # those rewritten meanwhile come again, and those whose picture came
            (key, article)
            for key, article in batch
            if now.get(key) == article and (hashes[key] or encoder.content_hash(article) is None)
        ]
        readable_hashes = known | fresh.keys()
        contents = [
            Content(key, hashes[key], _status(encoder, article, hashes[key], readable_hashes)) for key, article in same
        ]
        vectors.put_contents(
            session, encoder.modality, encoder.encoder_id, contents, fresh, served=not isinstance(encoder, ViewEncoder)
        )
    _count(_name(encoder), contents, known, report)
    return list(new.values())


def _finite(encoder: Encoder, made: Floats32, readable: Bools) -> Bools:
    """Which articles (n,) were read and have a vector (n, d) that can be kept; what overflows is broken."""
    kept = readable & vectors.storable(made)
    if lost := int(readable.sum() - kept.sum()):
        log.warning("%s made %d vectors that are not finite: those articles are without it", encoder.encoder_id, lost)
    return kept


def _status(encoder: Encoder, article: Article, content_hash: str | None, readable: set[str]) -> str:
    if content_hash is None:
        return encoder.status(article)  # missing, or there and nothing that could be read
    return "ok" if content_hash in readable else "broken"


def _name(encoder: Encoder) -> str:
    """What reports call it: its modality, and which view of that."""
    return f"{encoder.modality}#view{encoder.view}" if isinstance(encoder, ViewEncoder) else encoder.modality


def _count(name: str, contents: list[Content], known: set[str], report: EncodeReport) -> None:
    for content in contents:
        cached = content.status == "ok" and content.content_hash in known
        counts = (
            report.cached if cached else report.encoded if content.status == "ok" else getattr(report, content.status)
        )
        counts[name] += 1
