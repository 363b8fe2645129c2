"""What answers say of articles, kept by the process for when the database does not answer."""

from collections.abc import Iterable

from sqlalchemy import select
from sqlalchemy.orm import Session

from recsys.columns import NONE, Catalogue
from recsys.database.bulk import chunks
from recsys.database.tables import ArticleRow
from recsys.domain import Article


class Cards:
    """Titles and pictures by article key; ids, sections and times stand in the catalogue."""

    def __init__(self) -> None:
        self._told: dict[int, tuple[str | None, str | None]] = {}
        self._keys: tuple[Catalogue | None, dict[str, int]] = (None, {})

    def read(self, session: Session, keys: Iterable[int] | None = None) -> None:
        """Read the cards of these articles, or of all, as the database has them now."""
        columns = select(ArticleRow.key, ArticleRow.title, ArticleRow.image, ArticleRow.deleted_at)
        parts = [columns] if keys is None else [columns.where(ArticleRow.key.in_(part)) for part in chunks(keys)]
        for part in parts:
            for key, title, image, deleted_at in session.execute(part):
                if deleted_at is None:
                    self._told[key] = title, image
                else:
                    self._told.pop(key, None)

    def articles(self, catalogue: Catalogue, keys: Iterable[int]) -> dict[int, Article]:
        """These articles as far as they are known, by key."""
        told = ((key, self._told.get(key)) for key in keys)  # the following thread may take one out meanwhile
        return {key: _article(catalogue, key, *card) for key, card in told if card is not None}

    def keys_of(self, catalogue: Catalogue, article_ids: Iterable[str]) -> list[int]:
        """Keys of those ids that the catalogue knows."""
        of, keys = self._keys
        if of is not catalogue:
            keys = {article_id: key for key, article_id in enumerate(catalogue.article_ids.tolist()) if article_id}
            self._keys = catalogue, keys
        return [keys[article_id] for article_id in article_ids if article_id in keys]


def _article(catalogue: Catalogue, key: int, title: str | None, image: str | None) -> Article:
    section, published = int(catalogue.section[key]), float(catalogue.published_at[key])
    return Article(
        article_id=catalogue.article_ids[key],
        title=title,
        section=None if section == NONE else catalogue.sections[section],
        image=image,
        published_at=published if published == published else None,
    )
