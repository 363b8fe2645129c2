"""Alembic's environment: runs migrations on the connection it is handed, or on the database of the settings."""

from alembic import context
from sqlalchemy import Connection

from recsys.database.session import open_engine
from recsys.database.tables import Base
from recsys.settings import Settings


def run(connection: Connection) -> None:
    """Migrate over one connection, in one transaction."""
    context.configure(connection=connection, target_metadata=Base.metadata, render_as_batch=True)
    with context.begin_transaction():
        context.run_migrations()


given = context.config.attributes.get("connection")
if given is not None:
    run(given)
else:
    with open_engine(Settings()).begin() as own:
        run(own)
