"""The log and the catalogue as columns: what the fold, training and serving compute with.

Articles and users are the integer keys of the database, small enough to index an array with.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Floats32 = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]
Ints32 = npt.NDArray[np.int32]
Small = npt.NDArray[np.int8]
Bools = npt.NDArray[np.bool_]

PAGES = {None: 0, "front": 1, "article": 2}
DEVICES = {None: 0, "desktop": 1, "mobile": 2, "tablet": 3}
OTHER_DEVICE = 4
NONE = -1  # an absent key


@dataclass(frozen=True)
class ImpressionColumns:
    """n impressions; the items of the i-th are ``items[offsets[i]:offsets[i + 1]]``, in the order shown."""

    position: Ints  # (n,) of the row in the log
    user: Ints  # (n,)
    known_at: Floats  # (n,) seconds
    offsets: Ints  # (n + 1,)
    items: Ints  # (offsets[n],) article keys
    page: Small  # (n,) see PAGES
    device: Small  # (n,) see DEVICES
    subscriber: Small  # (n,) -1 unknown, 0 no, 1 yes
    context_article: Ints  # (n,) or NONE

    def __len__(self) -> int:
        return len(self.user)

    def take(self, keep: Bools) -> "ImpressionColumns":
        """Those of the impressions (n,) that are to be kept."""
        lengths = np.diff(self.offsets)
        offsets = np.concatenate([[0], np.cumsum(lengths[keep])]).astype(np.int64)
        whole = {name: column[keep] for name, column in vars(self).items() if name not in ("offsets", "items")}
        return ImpressionColumns(offsets=offsets, items=self.items[np.repeat(keep, lengths)], **whole)


@dataclass(frozen=True)
class ClickColumns:
    """n clicks; those whose list was known by then carry its row and context."""

    position: Ints  # (n,) of the row in the log
    user: Ints  # (n,)
    article: Ints  # (n,)
    at: Floats  # (n,) seconds
    known_at: Floats  # (n,) seconds
    weight: Floats  # (n,) 1 a click, 0 seen only
    dwell: Floats  # (n,) seconds of reading as the log knows them today, NaN unknown: nothing point-in-time may read it
    backfilled: Small  # (n,) 0 or 1
    impression: Ints  # (n,) position of the impression in the log, or NONE
    page: Small  # (n,) of that list
    device: Small  # (n,) of that list

    def __len__(self) -> int:
        return len(self.user)

    def take(self, rows: Ints | Bools | slice) -> "ClickColumns":
        """These clicks."""
        return ClickColumns(**{name: column[rows] for name, column in vars(self).items()})


@dataclass(frozen=True)
class EventLog:
    """A stretch of the log, each half ordered by (known_at, at, position)."""

    impressions: ImpressionColumns
    clicks: ClickColumns

    @property
    def end(self) -> tuple[int, int]:
        """Positions of the last impression and the last click in it; 0 for none."""
        return (_last(self.impressions.position), _last(self.clicks.position))


@dataclass(frozen=True)
class Catalogue:
    """What is known of the articles besides their content; row = article key (row 0 is never used)."""

    article_ids: npt.NDArray[np.object_]  # (n,) None where there is no such key
    published_at: Floats  # (n,) NaN unknown
    expires_at: Floats  # (n,) +inf never; -inf for deleted articles
    section: Ints  # (n,) code of the section, NONE unknown
    sections: tuple[str, ...]  # the names by code
    premium: Floats  # (n,) 0 or 1, NaN unknown
    length: Floats  # (n,) characters, NaN unknown
    described: Bools  # (n,) False for an id that the log alone names

    def __len__(self) -> int:
        return len(self.article_ids)

    @property
    def present(self) -> Ints:
        """Keys (m,) of the articles that are not deleted, rising."""
        keys: Ints = np.flatnonzero(self.expires_at > -np.inf)
        return keys

    def described_among(self, keys: Ints) -> Ints:
        """Those of the keys (m,) that a catalogue describes; all, where it describes few: then nobody keeps one."""
        described = self.described[keys]
        return keys[described] if 2 * int(described.sum()) >= len(keys) else keys

    def here(self, at: float) -> Bools:
        """Which articles (n,) are published and not expired at an instant; what has no date was always there."""
        return ~(self.published_at > at) & (self.expires_at > at)


def between(log: EventLog, first: float, last: float) -> EventLog:
    """The events with ``first <= known_at < last``."""
    i, c = log.impressions, log.clicks
    rows = slice(*np.searchsorted(i.known_at, [first, last]))
    part = slice(*np.searchsorted(c.known_at, [first, last]))
    offsets = i.offsets[rows.start : rows.stop + 1]
    items = i.items[offsets[0] : offsets[-1]]
    whole = {name: getattr(i, name)[rows] for name in i.__dataclass_fields__ if name not in ("offsets", "items")}
    impressions = ImpressionColumns(offsets=offsets - offsets[0], items=items, **whole)
    return EventLog(impressions, c.take(part))


def device_code(device: str | None) -> int:
    """Category of a device name; names that are not in DEVICES share one."""
    return DEVICES.get(device.lower() if device else None, OTHER_DEVICE)


def _last(positions: Ints) -> int:
    return int(positions.max()) if len(positions) else 0
