"""An index that holds all that an answer reads of a reader's clicks, so that it does not look up each of them."""

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

OLD, NEW = "ix_clicks_user_known_at", "ix_clicks_newest_of_user"


def upgrade() -> None:
    op.create_index(NEW, "clicks", ["user", "known_at", "at", "position", "article", "weight"], unique=False)
    op.drop_index(OLD, table_name="clicks")


def downgrade() -> None:
    op.create_index(OLD, "clicks", ["user", "known_at"], unique=False)
    op.drop_index(NEW, table_name="clicks")
