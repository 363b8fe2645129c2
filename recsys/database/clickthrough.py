"""What became of the newest lists that people saw, by the model version that made them.

The same lists and clicks count as in ``outcomes``: those that were confirmed, and not those of robots. Looking at the
newest only costs so little that a process can ask again and again.
"""

from dataclasses import dataclass

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from recsys.columns import Ints
from recsys.database import robots
from recsys.database.tables import ClickRow, ImpressionRow, ServedRow


@dataclass(frozen=True)
class Clickthrough:
    """Lists of one version that were seen, and those of them in which something was clicked."""

    impressions: int
    clicked: int

    @property
    def ctr(self) -> float:
        """The share of the lists in which something was clicked."""
        return self.clicked / self.impressions if self.impressions else 0.0


def newest_by_version(session: Session, lists: int, fast: Ints) -> dict[str, Clickthrough]:
    """Of the newest so many lists that were seen, those that were served here, and not to robots.

    Robots are the flagged users, and the keys ``fast`` of those who click too fast. A longer log costs no more.
    """
    newest = select(ImpressionRow.impression_id).order_by(ImpressionRow.position.desc()).limit(lists).subquery()
    clicked = (
        select(ClickRow.position)
        .where(ClickRow.impression_id == ServedRow.impression_id, ClickRow.weight > 0)
        .correlate(ServedRow)
        .exists()
    )
    rows = session.execute(
        select(ServedRow.model_version, ServedRow.user, func.count(), func.count().filter(clicked))
        .join(newest, newest.c.impression_id == ServedRow.impression_id)
        .group_by(ServedRow.model_version, ServedRow.user)
    )
    left_out = {*robots.flagged(session).tolist(), *fast.tolist()}
    found: dict[str, Clickthrough] = {}
    for version, user, seen, with_click in rows:
        if user not in left_out:
            so_far = found.get(version, Clickthrough(0, 0))
            found[version] = Clickthrough(so_far.impressions + seen, so_far.clicked + with_click)
    return found
