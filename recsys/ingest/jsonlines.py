"""JSON Lines files as batches: one object in each line."""

from collections.abc import Iterator, Sequence
from itertools import chain, islice
from pathlib import Path

from recsys.domain import RecsysError
from recsys.ingest.batches import Batch, Parsed, batched, present
from recsys.ingest.lines import Line, lines
from recsys.ingest.plain import from_json

LOOKED_AT = 100  # objects, among which each required member must be
NOT_JSON = "the line is not JSON"
NOT_AN_OBJECT = "the line is not a JSON object"


def read_jsonlines(
    path: Path,
    *,
    required: Sequence[str],
    optional: Sequence[str] = (),
    timezone: str = "UTC",
    tell_unread: bool = False,
) -> Iterator[Batch]:
    """Stream the named members of the objects; an object without a required one is refused as a row.

    Raises:
        RecsysError: when the file cannot be read, is one array instead of lines, or none of its first objects has a
            required member.
    """
    source = (line for line in lines(path) if line.reason or line.text.strip())
    first = list(islice(source, LOOKED_AT))
    if not first:
        return
    if first[0].text.lstrip().startswith("["):
        raise RecsysError(f"{path} begins an array: expected is one object in each line, without commas between them.")
    objects = [members for line in first if isinstance(members := _members(line), dict)]
    if objects:
        found = list(dict.fromkeys(name for members in objects for name in members))
        present(path, found, required, optional, tell_unread=tell_unread)
    names = [*required, *optional]
    yield from batched(path.name, names, (_parsed(line, names) for line in chain(first, source)), timezone)


def _parsed(line: Line, names: list[str]) -> Parsed:
    members = _members(line)
    cells = members if isinstance(members, str) else [members.get(name) for name in names]
    return line.number, len(line.text), cells


def _members(line: Line) -> dict[str, object] | str:
    if line.reason:
        return line.reason
    try:
        value = from_json(line.text)
    except ValueError:
        return NOT_JSON
    return value if isinstance(value, dict) else NOT_AN_OBJECT
