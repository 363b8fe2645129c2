"""What a service needs beside its log: experiments, jobs, keys, editors' rules, and who changed what."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

TIME = sa.Float(precision=53).with_variant(sa.TIMESTAMP(timezone=True), "postgresql")
DOCUMENT = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")
RUNNING = sa.text("status = 'running'")


def upgrade() -> None:
    with op.batch_alter_table("served", schema=None) as served:
        served.add_column(sa.Column("propensities", DOCUMENT, nullable=True))
        served.create_index("ix_served_model_version_at", ["model_version", "at"], unique=False)
    op.create_table(
        "experiments",
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("version", sa.String(length=128), nullable=True),
        sa.Column("share", sa.Float(precision=53), nullable=False),
        sa.Column("at", TIME, nullable=False),
        sa.ForeignKeyConstraint(["version"], ["model_versions.version"]),
        sa.PrimaryKeyConstraint("position"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "jobs",
        sa.Column("job_id", sa.String(length=128), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("started_at", TIME, nullable=True),
        sa.Column("heard_at", TIME, nullable=True),
        sa.Column("finished_at", TIME, nullable=True),
        sa.Column("owner", sa.Text(), nullable=True),
        sa.Column("progress", DOCUMENT, nullable=True),
        sa.Column("result", DOCUMENT, nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("job_id"),
    )
    op.create_index("ux_jobs_running", "jobs", ["kind"], unique=True, sqlite_where=RUNNING, postgresql_where=RUNNING)
    op.create_index("ix_jobs_created_at", "jobs", ["created_at"], unique=False)
    op.create_table(
        "api_keys",
        sa.Column("key", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=128), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("scopes", DOCUMENT, nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("revoked_at", TIME, nullable=True),
        sa.PrimaryKeyConstraint("key"),
        sa.UniqueConstraint("digest"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "rules",
        sa.Column("rule", sa.Integer(), nullable=False),
        sa.Column("action", sa.String(length=16), nullable=False),
        sa.Column("article", sa.Integer(), nullable=True),
        sa.Column("section", sa.String(length=128), nullable=True),
        sa.Column("place", sa.Integer(), nullable=True),
        sa.Column("amount", sa.Float(precision=53), nullable=True),
        sa.Column("since", TIME, nullable=True),
        sa.Column("until", TIME, nullable=True),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("ended_at", TIME, nullable=True),
        sa.ForeignKeyConstraint(["article"], ["articles.key"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("rule"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_rules_article", "rules", ["article"], unique=False)
    op.create_table(
        "audit",
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("at", TIME, nullable=False),
        sa.Column("who", sa.String(length=128), nullable=False),
        sa.Column("action", sa.String(length=32), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("details", DOCUMENT, nullable=False),
        sa.PrimaryKeyConstraint("position"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_audit_at", "audit", ["at"], unique=False)


def downgrade() -> None:
    for table in ("audit", "rules", "api_keys", "jobs", "experiments"):
        op.drop_table(table)
    with op.batch_alter_table("served", schema=None) as served:
        served.drop_index("ix_served_model_version_at")
        served.drop_column("propensities")
