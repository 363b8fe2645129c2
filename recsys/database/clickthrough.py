"""What became of the newest lists that were seen, by the model version that made them."""

from dataclasses import dataclass

from sqlalchemy import func, select
from sqlalchemy.orm import Session

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


def newest_by_version(session: Session, lists: int) -> dict[str, Clickthrough]:
    """Of the newest so many lists that were seen, those that were served here; it costs no more in a longer log."""
    newest = select(ImpressionRow.impression_id).order_by(ImpressionRow.position.desc()).limit(lists).subquery()
    clicked = (
        select(ClickRow.position)
        .where(ClickRow.impression_id == ServedRow.impression_id, ClickRow.weight > 0)
        .correlate(ServedRow)
        .exists()
    )
    rows = session.execute(
        select(ServedRow.model_version, func.count(), func.count().filter(clicked))
        .join(newest, newest.c.impression_id == ServedRow.impression_id)
        .group_by(ServedRow.model_version)
    )
    return {version: Clickthrough(seen, with_click) for version, seen, with_click in rows}
