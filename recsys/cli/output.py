"""What commands print: one JSON document or tables on standard output, progress on standard error."""

import json
import math
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, is_dataclass
from datetime import UTC, datetime
from typing import Any

from rich.console import Console, Group
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text
from typer import BadParameter

from recsys.domain import Neighbour, Recommendation, Timestamp
from recsys.ingest.validate import LATEST
from recsys.progress import StageProgress

out = Console()
err = Console(stderr=True)


def print_json(document: Any) -> None:
    """One JSON document; figures that do not exist are null."""
    sys.stdout.write(json.dumps(plain(document), ensure_ascii=False, indent=1) + "\n")
    sys.stdout.flush()  # `recsys serve` goes on for long


@contextmanager
def progress() -> Iterator[StageProgress]:
    """A bar for each stage of a long work, on standard error; call it with (stage, done, total)."""
    columns = (TextColumn("{task.description:>12}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    bars = Progress(*columns, console=err)
    tasks: dict[str, Any] = {}

    def report(stage: str, done: int, total: int) -> None:
        bars.start()
        if stage not in tasks:
            tasks[stage] = bars.add_task(stage, total=total)
        bars.update(tasks[stage], completed=done, total=total)

    try:
        yield report
    finally:
        if tasks:  # else there is nothing to end, and it would print an empty line
            bars.stop()


def parse_time(text: str) -> Timestamp:
    """An RFC 3339 time or a date; without a zone it is UTC.

    Raises:
        BadParameter: when it is neither, or not between 1970 and 2200.
    """
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise BadParameter(f"{text!r} is not a time: write it like 2026-03-22T07:00:00Z.") from error
    seconds = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    if not 0 <= seconds < LATEST:
        raise BadParameter(f"{text!r} is not between 1970 and 2200.")
    return seconds


def recommendations_document(items: list[Recommendation]) -> list[dict[str, Any]]:
    """Recommendations for JSON, in the words of the API."""
    return [_line(item) for item in items]


def _line(item: Recommendation) -> dict[str, Any]:
    line = asdict(item)
    if item.published_at is not None:
        published = datetime.fromtimestamp(item.published_at, UTC)
        line["published_at"] = published.isoformat().replace("+00:00", "Z")
    for name in ("explanation", "rule"):
        if line[name] is None:
            del line[name]
    return line


def recommendations_table(items: list[Recommendation], title: str) -> Table:
    """Recommendations for people: what, how likely, and why."""
    table = Table(title=escape(title), title_justify="left")
    for name in ("#", "title", "section", "P(click)", "source", "because you read"):
        table.add_column(name, overflow="fold")
    for item in items:
        because = next(iter(item.explanation.because), "") if item.explanation else ""
        table.add_row(
            str(item.position),
            Text(item.title or item.article_id),
            Text(item.section or ""),
            f"{item.score:.3f}",
            item.source if item.rule is None else f"{item.source}, {item.rule.action} {item.rule.id}",
            Text(because),
        )
    return table


def recommendations_tables(items: list[Recommendation], title: str) -> Group:
    """The same, and below it, where they were explained, what counts how much."""
    tables = [recommendations_table(items, title)]
    return Group(*tables, _reasons_table(items)) if any(item.explanation for item in items) else Group(*tables)


def _reasons_table(items: list[Recommendation]) -> Table:
    """What raised and lowered the utilities, in logits."""
    table = Table(title="What counts how much, in logits", title_justify="left")
    for name in ("#", "articles read", "modalities", "inputs"):
        table.add_column(name, overflow="fold")
    for item in items:
        if item.explanation is not None:
            read = [(r.title or r.article_id, r.logits) for r in item.explanation.because_of]
            inputs = [(f"{i.feature} = {i.value:.3g}", i.logits) for i in item.explanation.moved_by]
            parts = (read, item.explanation.shapley.items(), inputs)
            columns = (Text("\n".join(f"{logits:+.2f} {what}" for what, logits in part)) for part in parts)
            table.add_row(str(item.position), *columns)
    return table


def neighbours_table(items: list[Neighbour], title: str) -> Table:
    """Nearest articles for people."""
    table = Table("similarity", "title", title=escape(title), title_justify="left")
    for item in items:
        table.add_row(f"{item.similarity:.3f}", Text(item.title or item.article_id))
    return table


def plain(value: Any) -> Any:
    """The value as JSON has it: dataclasses as objects, what is no finite number as null."""
    if is_dataclass(value) and not isinstance(value, type):
        return plain(asdict(value))
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value.item() if hasattr(value, "item") else value
