"""What an import counts while it runs, and what it says at its end."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from recsys.domain import Article, Impression
from recsys.ingest.report_file import ReportFile
from recsys.ingest.rows import Found, Record, Refusal, Repair

COUNTED = ("articles", "impressions", "clicks")
DETACHED = "the impression_id names no list of the log"


@dataclass(frozen=True)
class ImportReport:
    """What an import read and took; ``articles``, ``impressions``, ``clicks`` count what was already there as well."""

    articles: int
    impressions: int
    clicks: int
    refused: dict[str, int]  # rows by reason
    examples: dict[str, str]  # by reason, where the first such row is; DETACHED is one too
    repaired: dict[str, int]  # rows that were taken after a correction
    new: dict[str, int]  # articles (or changed ones), impressions and clicks that the database did not have
    deleted: int  # articles that were passed over, since they had been deleted here
    detached: int  # clicks that were taken, but name a list that the log does not have
    outside: int  # rows that are not between since and until
    unknown_articles: int  # ids in the database that were mentioned, but that no catalogue has described
    report: str | None  # the file that names every row that was refused or repaired


@dataclass
class Tally:
    """Counts so far; what is refused or repaired goes to the report file at once."""

    file: ReportFile | None = None
    accepted: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    repaired: Counter[str] = field(default_factory=Counter)
    new: Counter[str] = field(default_factory=Counter)
    examples: dict[str, str] = field(default_factory=dict)
    outside: int = 0
    deleted: int = 0
    detached: int = 0

    def refuse(self, entry: Found | Refusal, reason: str) -> None:
        """Count a row that is not taken."""
        self.refused[reason] += 1
        self.examples.setdefault(reason, _place(entry))
        self._tell(entry, "refused", reason)

    def repair(self, entry: Found | Repair, reason: str) -> None:
        """Count a row that is taken after a correction."""
        self.repaired[reason] += 1
        self._tell(entry, "repaired", reason)

    def detach(self, entry: Found, impression_id: str) -> None:
        """Count a click that is taken although the list it names is not known."""
        self.detached += 1
        self.examples.setdefault(DETACHED, f"{_place(entry)} names {impression_id[:40]!r}")

    def report(self, unknown_articles: int) -> ImportReport:
        """The counts as they are now."""
        return ImportReport(
            **{kind: self.accepted[kind] for kind in COUNTED},
            refused=dict(self.refused),
            examples=self.examples,
            repaired=dict(self.repaired),
            new={kind: self.new[kind] for kind in COUNTED},
            outside=self.outside,
            deleted=self.deleted,
            detached=self.detached,
            unknown_articles=unknown_articles,
            report=None if self.file is None else str(self.file.path),
        )

    def _tell(self, entry: Found | Refusal | Repair, outcome: str, reason: str) -> None:
        if self.file is not None:
            record = name(entry.record) if isinstance(entry, Found) else None
            self.file.write(entry.file or None, entry.row or None, outcome, reason, record)


def summary(done: ImportReport) -> list[str]:
    """What an import did, in lines for people."""
    lines = [_counted(vars(done)), f"of them new: {_counted(done.new)}"]
    lines += [f"refused {count:,}: {reason}" for reason, count in done.refused.items()]
    lines += [f"repaired {count:,}: {reason}" for reason, count in done.repaired.items()]
    if done.deleted:
        lines.append(f"passed over {done.deleted:,}: articles that were deleted here, which only a PUT brings back")
    if done.detached:
        lines.append(f"detached {done.detached:,}: clicks of which {DETACHED}; {done.examples[DETACHED]}")
    if done.unknown_articles:
        lines.append(f"unknown {done.unknown_articles:,}: articles of which only the id is known")
    if done.report:
        lines.append(f"each row that was refused or repaired is in {done.report}")
    return lines


def _counted(counts: Mapping[str, Any]) -> str:
    return ", ".join(f"{counts[kind]:,} {kind}" for kind in ("articles", "impressions", "clicks"))


def name(record: Record) -> str:
    """A record in a few words."""
    if isinstance(record, Article):
        return f"article {record.article_id[:40]!r}"
    if isinstance(record, Impression):
        return f"impression {record.impression_id[:40]!r}"
    return f"click {record.event_id[:40]!r}"


def _place(entry: Found | Refusal) -> str:
    where = f"{entry.file}, row {entry.row}" if entry.file else ""
    what = name(entry.record) if isinstance(entry, Found) else ""
    return ": ".join(part for part in (where, what) if part)
