"""The first schema: catalogue, log, vectors, model versions."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

TIME = sa.Float(precision=53).with_variant(sa.TIMESTAMP(timezone=True), "postgresql")
DOCUMENT = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")
POSITION = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
FOLLOWED = sa.text("txid IS NOT NULL")


def upgrade() -> None:
    is_postgresql = op.get_bind().dialect.name == "postgresql"
    transaction = sa.text("(pg_current_xact_id()::text::bigint)" if is_postgresql else "NULL")
    op.create_table(
        "articles",
        sa.Column("key", sa.Integer(), nullable=False),
        sa.Column("article_id", sa.String(length=128), nullable=False),
        sa.Column("title", sa.Text(), nullable=True),
        sa.Column("summary", sa.Text(), nullable=True),
        sa.Column("body", sa.Text(), nullable=True),
        sa.Column("section", sa.String(length=128), nullable=True),
        sa.Column("author", sa.Text(), nullable=True),
        sa.Column("language", sa.String(length=35), nullable=True),
        sa.Column("url", sa.Text(), nullable=True),
        sa.Column("image", sa.Text(), nullable=True),
        sa.Column("published_at", TIME, nullable=True),
        sa.Column("expires_at", TIME, nullable=True),
        sa.Column("premium", sa.Boolean(), nullable=True),
        sa.Column("length", sa.Integer(), nullable=True),
        sa.Column("deleted_at", TIME, nullable=True),
        sa.Column("merged_into", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(["merged_into"], ["articles.key"], ondelete="SET NULL"),
        sa.PrimaryKeyConstraint("key"),
        sa.UniqueConstraint("article_id"),
    )
    with op.batch_alter_table("articles", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_articles_merged_into"), ["merged_into"], unique=False)

    op.create_table(
        "model_versions",
        sa.Column("version", sa.String(length=128), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("since", TIME, nullable=True),
        sa.Column("until", TIME, nullable=True),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("metrics", DOCUMENT, nullable=False),
        sa.PrimaryKeyConstraint("version"),
    )
    op.create_table(
        "users",
        sa.Column("key", sa.Integer(), nullable=False),
        sa.Column("user_id", sa.String(length=128), nullable=False),
        sa.Column("merged_into", sa.Integer(), nullable=True),
        sa.Column("robot", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.ForeignKeyConstraint(["merged_into"], ["users.key"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("key"),
        sa.UniqueConstraint("user_id"),
        sqlite_autoincrement=True,
    )
    with op.batch_alter_table("users", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_users_merged_into"), ["merged_into"], unique=False)

    op.create_table(
        "vectors",
        sa.Column("encoder_id", sa.Text(), nullable=False),
        sa.Column("content_hash", sa.String(length=64), nullable=False),
        sa.Column("vector", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("encoder_id", "content_hash"),
    )
    op.create_table(
        "article_changes",
        sa.Column("position", POSITION, nullable=False),
        sa.Column("txid", sa.BigInteger(), server_default=transaction, nullable=True),
        sa.Column("article", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["article"], ["articles.key"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("position"),
        sqlite_autoincrement=True,
    )
    with op.batch_alter_table("article_changes", schema=None) as batch_op:
        batch_op.create_index("ix_article_changes_txid", ["txid"], unique=False, sqlite_where=FOLLOWED)
        batch_op.create_index(batch_op.f("ix_article_changes_article"), ["article"], unique=False)

    op.create_table(
        "clicks",
        sa.Column("position", POSITION, nullable=False),
        sa.Column("txid", sa.BigInteger(), server_default=transaction, nullable=True),
        sa.Column("event_id", sa.String(length=128), nullable=False),
        sa.Column("user", sa.Integer(), nullable=False),
        sa.Column("article", sa.Integer(), nullable=False),
        sa.Column("at", TIME, nullable=False),
        sa.Column("known_at", TIME, nullable=False),
        sa.Column("impression_id", sa.String(length=128), nullable=True),
        sa.Column("dwell_seconds", sa.Float(precision=53), nullable=True),
        sa.Column("weight", sa.Float(precision=53), nullable=False),
        sa.Column("backfilled", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["article"], ["articles.key"], ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["user"], ["users.key"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("position"),
        sa.UniqueConstraint("event_id"),
        sqlite_autoincrement=True,
    )
    with op.batch_alter_table("clicks", schema=None) as batch_op:
        batch_op.create_index("ix_clicks_txid", ["txid"], unique=False, sqlite_where=FOLLOWED)
        batch_op.create_index(batch_op.f("ix_clicks_impression_id"), ["impression_id"], unique=False)
        batch_op.create_index("ix_clicks_known_at", ["known_at"], unique=False)
        batch_op.create_index("ix_clicks_user_known_at", ["user", "known_at"], unique=False)

    op.create_table(
        "contents",
        sa.Column("article", sa.Integer(), nullable=False),
        sa.Column("modality", sa.String(length=32), nullable=False),
        sa.Column("encoder_id", sa.Text(), nullable=False),
        sa.Column("content_hash", sa.String(length=64), nullable=True),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.ForeignKeyConstraint(["article"], ["articles.key"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("article", "modality", "encoder_id"),
    )
    op.create_table(
        "impressions",
        sa.Column("position", POSITION, nullable=False),
        sa.Column("txid", sa.BigInteger(), server_default=transaction, nullable=True),
        sa.Column("impression_id", sa.String(length=128), nullable=False),
        sa.Column("known_at", TIME, nullable=False),
        sa.Column("user", sa.Integer(), nullable=False),
        sa.Column("at", TIME, nullable=False),
        sa.Column("shown", DOCUMENT, nullable=False),
        sa.Column("page", sa.String(length=16), nullable=True),
        sa.Column("context_article", sa.Integer(), nullable=True),
        sa.Column("device", sa.String(length=32), nullable=True),
        sa.Column("subscriber", sa.Boolean(), nullable=True),
        sa.Column("placement", sa.String(length=128), nullable=True),
        sa.ForeignKeyConstraint(["context_article"], ["articles.key"], ondelete="SET NULL"),
        sa.ForeignKeyConstraint(["user"], ["users.key"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("position"),
        sa.UniqueConstraint("impression_id"),
        sqlite_autoincrement=True,
    )
    with op.batch_alter_table("impressions", schema=None) as batch_op:
        batch_op.create_index("ix_impressions_txid", ["txid"], unique=False, sqlite_where=FOLLOWED)
        batch_op.create_index("ix_impressions_known_at", ["known_at"], unique=False)
        batch_op.create_index("ix_impressions_user_known_at", ["user", "known_at"], unique=False)

    op.create_table(
        "promotions",
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("version", sa.String(length=128), nullable=False),
        sa.Column("previous", sa.Integer(), nullable=True),
        sa.Column("at", TIME, nullable=False),
        sa.ForeignKeyConstraint(
            ["previous"],
            ["promotions.position"],
        ),
        sa.ForeignKeyConstraint(
            ["version"],
            ["model_versions.version"],
        ),
        sa.PrimaryKeyConstraint("position"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "served",
        sa.Column("impression_id", sa.String(length=128), nullable=False),
        sa.Column("scores", DOCUMENT, nullable=False),
        sa.Column("model_version", sa.String(length=128), nullable=False),
        sa.Column("user", sa.Integer(), nullable=False),
        sa.Column("at", TIME, nullable=False),
        sa.Column("shown", DOCUMENT, nullable=False),
        sa.Column("page", sa.String(length=16), nullable=True),
        sa.Column("context_article", sa.Integer(), nullable=True),
        sa.Column("device", sa.String(length=32), nullable=True),
        sa.Column("subscriber", sa.Boolean(), nullable=True),
        sa.Column("placement", sa.String(length=128), nullable=True),
        sa.ForeignKeyConstraint(["context_article"], ["articles.key"], ondelete="SET NULL"),
        sa.ForeignKeyConstraint(["user"], ["users.key"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("impression_id"),
    )
    with op.batch_alter_table("served", schema=None) as batch_op:
        batch_op.create_index("ix_served_at", ["at"], unique=False)
        batch_op.create_index("ix_served_user", ["user"], unique=False)


def downgrade() -> None:
    with op.batch_alter_table("served", schema=None) as batch_op:
        batch_op.drop_index("ix_served_user")
        batch_op.drop_index("ix_served_at")

    op.drop_table("served")
    op.drop_table("promotions")
    with op.batch_alter_table("impressions", schema=None) as batch_op:
        batch_op.drop_index("ix_impressions_txid")
        batch_op.drop_index("ix_impressions_user_known_at")
        batch_op.drop_index("ix_impressions_known_at")

    op.drop_table("impressions")
    op.drop_table("contents")
    with op.batch_alter_table("clicks", schema=None) as batch_op:
        batch_op.drop_index("ix_clicks_txid")
        batch_op.drop_index("ix_clicks_user_known_at")
        batch_op.drop_index("ix_clicks_known_at")
        batch_op.drop_index(batch_op.f("ix_clicks_impression_id"))

    op.drop_table("clicks")
    with op.batch_alter_table("article_changes", schema=None) as batch_op:
        batch_op.drop_index("ix_article_changes_txid")
        batch_op.drop_index(batch_op.f("ix_article_changes_article"))

    op.drop_table("article_changes")
    op.drop_table("vectors")
    with op.batch_alter_table("users", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_users_merged_into"))

    op.drop_table("users")
    op.drop_table("model_versions")
    with op.batch_alter_table("articles", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_articles_merged_into"))

    op.drop_table("articles")
