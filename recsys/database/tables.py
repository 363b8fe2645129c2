"""The schema: a catalogue, a time-ordered log, cached vectors, and model versions.

Rows of the log refer to articles and users by small integer keys. Processes follow the log in the order of commits (see
``tail``). Migrations are the only way this schema comes to be (see migrations/).
"""

from typing import Annotated, Any, cast

from sqlalchemy import BigInteger, Float, ForeignKey, Index, LargeBinary, String, Table, Text, false, text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from recsys.database.types import DOCUMENT, FIGURES, POSITION, SECONDS, current_transaction
from recsys.domain import Timestamp

Identifier = String(128)
Time = Annotated[Timestamp, mapped_column(SECONDS)]
NEVER_REUSE = {"sqlite_autoincrement": True}  # a number that was deleted must not come back as another row


class Base(DeclarativeBase):
    """Common metadata; times come and go as seconds since 1970 UTC."""

    type_annotation_map = {  # noqa: RUF012
        float: Float(53),
        dict[str, Any]: FIGURES,
        list[int]: DOCUMENT,
        list[float]: DOCUMENT,
        list[str]: DOCUMENT,
    }


def _by_transaction(table: str) -> Index:
    """For those who follow a table on PostgreSQL; empty on SQLite."""
    return Index(f"ix_{table}_txid", "txid", sqlite_where=text("txid IS NOT NULL"))


class Followed:
    """A row that processes follow: where it stands, and on PostgreSQL which transaction wrote it."""

    position: Mapped[int] = mapped_column(POSITION, primary_key=True)
    txid: Mapped[int | None] = mapped_column(BigInteger, server_default=current_transaction())


class ArticleRow(Base):
    """The catalogue; a shown article that the catalogue does not know yet is a row with an id alone."""

    __tablename__ = "articles"

    key: Mapped[int] = mapped_column(primary_key=True)
    article_id: Mapped[str] = mapped_column(Identifier, unique=True)
    title: Mapped[str | None] = mapped_column(Text)
    summary: Mapped[str | None] = mapped_column(Text)
    body: Mapped[str | None] = mapped_column(Text)
    section: Mapped[str | None] = mapped_column(Identifier)
    author: Mapped[str | None] = mapped_column(Text)
    language: Mapped[str | None] = mapped_column(String(35))
    url: Mapped[str | None] = mapped_column(Text)
    image: Mapped[str | None] = mapped_column(Text)
    published_at: Mapped[Time | None]
    expires_at: Mapped[Time | None]
    premium: Mapped[bool | None]
    length: Mapped[int | None]
    deleted_at: Mapped[Time | None]
    merged_into: Mapped[int | None] = mapped_column(ForeignKey("articles.key", ondelete="SET NULL"), index=True)


class ArticleChangeRow(Followed, Base):
    """One row for every time an article was written, deleted or encoded, for processes that keep a copy."""

    __tablename__ = "article_changes"
    __table_args__ = (_by_transaction(__tablename__), NEVER_REUSE)

    article: Mapped[int] = mapped_column(ForeignKey("articles.key", ondelete="CASCADE"), index=True)


class UserRow(Base):
    """A reader, or an id that logged in as one. The key of an erased reader must not come back as somebody else's."""

    __tablename__ = "users"
    __table_args__ = NEVER_REUSE

    key: Mapped[int] = mapped_column(primary_key=True)
    user_id: Mapped[str] = mapped_column(Identifier, unique=True)
    merged_into: Mapped[int | None] = mapped_column(ForeignKey("users.key", ondelete="CASCADE"), index=True)
    robot: Mapped[bool] = mapped_column(default=False, server_default=false())  # flagged by hand


class ListColumns:
    """What a served list and an impression have in common: who was shown what, when and where."""

    user: Mapped[int] = mapped_column(ForeignKey("users.key", ondelete="CASCADE"))
    at: Mapped[Time]
    shown: Mapped[list[int]]  # article keys, in the order shown
    page: Mapped[str | None] = mapped_column(String(16))
    context_article: Mapped[int | None] = mapped_column(ForeignKey("articles.key", ondelete="SET NULL"))
    device: Mapped[str | None] = mapped_column(String(32))
    subscriber: Mapped[bool | None]
    placement: Mapped[str | None] = mapped_column(Identifier)


class ImpressionRow(Followed, ListColumns, Base):
    """The log of lists that were seen."""

    __tablename__ = "impressions"
    __table_args__ = (
        Index("ix_impressions_user_known_at", "user", "known_at"),
        Index("ix_impressions_known_at", "known_at"),
        _by_transaction(__tablename__),
        NEVER_REUSE,
    )

    impression_id: Mapped[str] = mapped_column(Identifier, unique=True)
    known_at: Mapped[Time]


class ClickRow(Followed, Base):
    """The log of clicks; ``impression_id`` may name a list that is not known yet."""

    __tablename__ = "clicks"
    __table_args__ = (
        # all that an answer reads of a click, so that it looks up none of them: fifty of those cost more than the rest
        Index("ix_clicks_newest_of_user", "user", "known_at", "at", "position", "article", "weight"),
        Index("ix_clicks_known_at", "known_at"),
        _by_transaction(__tablename__),
        NEVER_REUSE,
    )

    event_id: Mapped[str] = mapped_column(Identifier, unique=True)
    user: Mapped[int] = mapped_column(ForeignKey("users.key", ondelete="CASCADE"))
    article: Mapped[int] = mapped_column(ForeignKey("articles.key", ondelete="CASCADE"))
    at: Mapped[Time]
    known_at: Mapped[Time]
    impression_id: Mapped[str | None] = mapped_column(Identifier, index=True)
    dwell_seconds: Mapped[float | None]
    weight: Mapped[float]
    backfilled: Mapped[bool]


class ServedRow(ListColumns, Base):
    """Lists that were answered; one becomes an impression when it is confirmed, or something in it is clicked."""

    __tablename__ = "served"
    __table_args__ = (
        Index("ix_served_user", "user"),
        Index("ix_served_at", "at"),
        Index("ix_served_model_version_at", "model_version", "at"),
    )

    impression_id: Mapped[str] = mapped_column(Identifier, primary_key=True)
    scores: Mapped[list[float]]
    model_version: Mapped[str] = mapped_column(Identifier)
    propensities: Mapped[list[float] | None]  # of each item at its place; None where nothing was drawn at random


class ContentRow(Base):
    """Which content an article has in a modality, as one encoder saw it ("ok", "missing" or "broken")."""

    __tablename__ = "contents"

    article: Mapped[int] = mapped_column(ForeignKey("articles.key", ondelete="CASCADE"), primary_key=True)
    modality: Mapped[str] = mapped_column(String(32), primary_key=True)
    encoder_id: Mapped[str] = mapped_column(Text, primary_key=True)
    content_hash: Mapped[str | None] = mapped_column(String(64))
    status: Mapped[str] = mapped_column(String(16))


class VectorRow(Base):
    """Raw modality vectors by encoder and content (float16, little endian): nothing is encoded twice."""

    __tablename__ = "vectors"

    encoder_id: Mapped[str] = mapped_column(Text, primary_key=True)
    content_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    vector: Mapped[bytes] = mapped_column(LargeBinary)


class ModelVersionRow(Base):
    """One trained snapshot; its files lie in the snapshots folder under the version's name."""

    __tablename__ = "model_versions"

    version: Mapped[str] = mapped_column(Identifier, primary_key=True)
    created_at: Mapped[Time]
    since: Mapped[Time | None]
    until: Mapped[Time | None]
    status: Mapped[str] = mapped_column(String(16))  # candidate, promoted, rejected
    reason: Mapped[str | None] = mapped_column(Text)
    metrics: Mapped[dict[str, Any]]


class PromotionRow(Base):
    """What went live when; the last row is live, and ``previous`` is the promotion a rollback returns to."""

    __tablename__ = "promotions"
    __table_args__ = NEVER_REUSE

    position: Mapped[int] = mapped_column(primary_key=True)
    version: Mapped[str] = mapped_column(ForeignKey("model_versions.version"))
    previous: Mapped[int | None] = mapped_column(ForeignKey("promotions.position"))
    at: Mapped[Time]


class ExperimentRow(Base):
    """Which version shares the traffic with the live one from when on; the last row is in force, and may name none."""

    __tablename__ = "experiments"
    __table_args__ = NEVER_REUSE

    position: Mapped[int] = mapped_column(primary_key=True)
    version: Mapped[str | None] = mapped_column(ForeignKey("model_versions.version"))
    share: Mapped[float]  # of the users
    at: Mapped[Time]


class JobRow(Base):
    """Work that runs in a process of its own; who works on it says so again and again, or it counts as abandoned."""

    __tablename__ = "jobs"
    __table_args__ = (
        Index(
            "ux_jobs_running", "kind", unique=True, sqlite_where=text("status = 'running'"),
            postgresql_where=text("status = 'running'"),
        ),
        Index("ix_jobs_created_at", "created_at"),
    )  # fmt: skip

    job_id: Mapped[str] = mapped_column(Identifier, primary_key=True)
    kind: Mapped[str] = mapped_column(String(16))
    status: Mapped[str] = mapped_column(String(16))  # waiting, running, done, failed
    created_at: Mapped[Time]
    started_at: Mapped[Time | None]
    heard_at: Mapped[Time | None]  # the last heartbeat of its owner
    finished_at: Mapped[Time | None]
    owner: Mapped[str | None] = mapped_column(Text)  # host and process
    progress: Mapped[dict[str, Any] | None]
    result: Mapped[dict[str, Any] | None]
    error: Mapped[str | None] = mapped_column(Text)


class KeyRow(Base):
    """An API key, of which only the hash is kept."""

    __tablename__ = "api_keys"
    __table_args__ = NEVER_REUSE

    key: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(Identifier)
    digest: Mapped[str] = mapped_column(String(64), unique=True)  # sha256
    scopes: Mapped[list[str]]  # read, write, admin
    created_at: Mapped[Time]
    revoked_at: Mapped[Time | None]


class RuleRow(Base):
    """What editors ordered: an article or a section pinned, boosted, buried or blocked for a time."""

    __tablename__ = "rules"
    __table_args__ = NEVER_REUSE

    rule: Mapped[int] = mapped_column(primary_key=True)
    action: Mapped[str] = mapped_column(String(16))
    article: Mapped[int | None] = mapped_column(ForeignKey("articles.key", ondelete="CASCADE"), index=True)
    section: Mapped[str | None] = mapped_column(Identifier)
    place: Mapped[int | None]  # of a pinned article, from 1
    amount: Mapped[float | None]  # of a boost or burial, in logits
    since: Mapped[Time | None]
    until: Mapped[Time | None]
    created_at: Mapped[Time]
    ended_at: Mapped[Time | None]  # taken back by hand


class AuditRow(Base):
    """Who changed what about the service, and when; nothing deletes it."""

    __tablename__ = "audit"
    __table_args__ = (Index("ix_audit_at", "at"), NEVER_REUSE)

    position: Mapped[int] = mapped_column(primary_key=True)
    at: Mapped[Time]
    who: Mapped[str] = mapped_column(Identifier)
    action: Mapped[str] = mapped_column(String(32))  # such as rule.create, model.promote
    subject: Mapped[str] = mapped_column(Text)  # the rule, the version, the key
    details: Mapped[dict[str, Any]] = mapped_column(DOCUMENT)


# for statements that every answer asks: columns of these cost half of what those of the classes do
ARTICLES, CHANGES = cast(Table, ArticleRow.__table__), cast(Table, ArticleChangeRow.__table__)
CONTENTS, VECTORS = cast(Table, ContentRow.__table__), cast(Table, VectorRow.__table__)
USERS, RULES = cast(Table, UserRow.__table__), cast(Table, RuleRow.__table__)
CLICKS, IMPRESSIONS = cast(Table, ClickRow.__table__), cast(Table, ImpressionRow.__table__)
SERVED, AUDIT = cast(Table, ServedRow.__table__), cast(Table, AuditRow.__table__)
