"""Articles that name a picture which was not encoded yet, at an address or in a file, and what became of them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from sqlalchemy import delete, or_, select
from sqlalchemy.orm import Session

from recsys.database.articles import record_changes, to_article
from recsys.database.bulk import chunks, one_at_a_time
from recsys.database.tables import ArticleRow, ContentRow
from recsys.database.vectors import Content, put_contents
from recsys.domain import Article

MODALITY = "image"


@dataclass(frozen=True, slots=True)
class Unpictured:
    """An article, the address of its picture, and whether its encoder was there already and found nothing."""

    key: int
    address: str
    passed_over: bool


def unpictured(session: Session, encoder_id: str, keys: Iterable[int] | None = None) -> list[Unpictured]:
    """Articles of the catalogue (or of these keys) at whose picture this encoder has not looked, oldest first."""
    is_address = or_(ArticleRow.image.istartswith("http://"), ArticleRow.image.istartswith("https://"))
    statement = (
        select(ArticleRow.key, ArticleRow.image, ContentRow.status)
        .outerjoin(
            ContentRow,
            (ContentRow.article == ArticleRow.key)
            & (ContentRow.modality == MODALITY)
            & (ContentRow.encoder_id == encoder_id),
        )
        .where(is_address, ArticleRow.deleted_at.is_(None), ContentRow.content_hash.is_(None))
        .order_by(ArticleRow.key)
    )
    if keys is None:
        rows = list(session.execute(statement))
    else:
        rows = [row for chunk in chunks(keys) for row in session.execute(statement.where(ArticleRow.key.in_(chunk)))]
    return [Unpictured(key, str(address), status is not None) for key, address, status in rows]


def absent(session: Session, encoder_id: str) -> list[tuple[int, Article]]:
    """Articles (with their keys) of whose picture this encoder found nothing when it looked."""
    nothing = (ContentRow.modality == MODALITY, ContentRow.encoder_id == encoder_id, ContentRow.content_hash.is_(None))
    named = select(ArticleRow).join(ContentRow, ContentRow.article == ArticleRow.key).where(*nothing)
    rows = session.scalars(named.where(ArticleRow.image.is_not(None), ArticleRow.deleted_at.is_(None)))
    return [(row.key, to_article(row)) for row in rows]


def look_again(session: Session, keys: Iterable[int]) -> None:
    """Have encoders look at the pictures of these articles, which are there now."""
    one_at_a_time(session, "articles")
    wanted = sorted(set(keys))
    for chunk in chunks(wanted):
        unseen = (ContentRow.modality == MODALITY, ContentRow.content_hash.is_(None))
        session.execute(delete(ContentRow).where(ContentRow.article.in_(chunk), *unseen))
    record_changes(session, wanted)


def set_broken(session: Session, encoder_id: str, failed: Mapping[str, Iterable[int]]) -> None:
    """Note that pictures could not be had; ``failed`` names articles by address, some of which may have another now."""
    one_at_a_time(session, "articles")
    rows = unpictured(session, encoder_id, {key for keys in failed.values() for key in keys})
    broken = [Content(row.key, None, "broken") for row in rows if row.address in failed]
    put_contents(session, MODALITY, encoder_id, broken, {}, served=False)
