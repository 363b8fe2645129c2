"""Migrations are the only way the schema comes to be: up, down, up again, and equal to the models."""

from collections.abc import Iterator

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, inspect, text

from recsys.database.session import current_revision, migrations_config, open_engine, upgrade
from recsys.database.tables import Base
from recsys.domain import RecsysError
from recsys.settings import Settings

HEAD = ScriptDirectory.from_config(migrations_config()).get_current_head()


@pytest.fixture
def engine(settings: Settings) -> Iterator[Engine]:
    opened = open_engine(settings)
    yield opened
    opened.dispose()


def downgrade(engine: Engine) -> None:
    config = migrations_config()
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.downgrade(config, "base")


def schema(engine: Engine) -> dict[str, str]:
    with engine.connect() as connection:
        rows = connection.execute(text("select name, sql from sqlite_master where name not like 'sqlite_%'"))
        return {row.name: row.sql for row in rows}


def test_upgrade_says_the_newest_revision_and_twice_changes_nothing(settings, engine):
    assert current_revision(engine) is None
    assert upgrade(settings) == HEAD
    first = schema(engine)
    assert upgrade(settings) == HEAD
    assert schema(engine) == first


def test_down_leaves_nothing_and_up_again_gives_the_same_schema(settings, engine):
    upgrade(settings)
    first = schema(engine)
    downgrade(engine)
    assert set(schema(engine)) == {"alembic_version"}
    assert current_revision(engine) is None
    assert upgrade(settings) == HEAD
    assert schema(engine) == first


def test_models_and_migrations_agree(settings, engine):
    upgrade(settings)
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), Base.metadata) == []


def test_the_comparison_sees_a_difference(settings, engine):
    upgrade(settings)
    with engine.begin() as connection:
        connection.execute(text("drop index ix_clicks_known_at"))
        connection.execute(text("alter table articles add column colour text"))
        found = compare_metadata(MigrationContext.configure(connection), Base.metadata)
    assert sorted(difference[0] for difference in found) == ["add_index", "remove_column"]


def test_models_and_migrations_agree_where_keys_are_never_reused(settings, engine):
    """Alembic does not compare this."""
    upgrade(settings)
    migrated = {name for name, sql in schema(engine).items() if sql and "AUTOINCREMENT" in sql}
    models = {t.name for t in Base.metadata.tables.values() if t.dialect_options["sqlite"]["autoincrement"]}
    assert migrated == models >= {"users", "impressions", "clicks", "article_changes", "promotions"}


def test_models_and_migrations_agree_on_what_a_deletion_takes_along(settings, engine):
    """Alembic does not compare this on SQLite either."""
    upgrade(settings)
    for table in Base.metadata.tables.values():
        migrated = {
            (key["constrained_columns"][0], key["referred_table"], key["options"].get("ondelete"))
            for key in inspect(engine).get_foreign_keys(table.name)
        }
        models = {(k.parent.name, k.column.table.name, k.ondelete) for k in table.foreign_keys}
        assert migrated == models


def test_a_schema_from_a_newer_program_is_refused(settings, engine):
    upgrade(settings)
    with engine.begin() as connection:
        connection.execute(text("update alembic_version set version_num = '9999'"))
    with pytest.raises(RecsysError, match="9999"):
        upgrade(settings)


def test_a_failed_migration_changes_nothing(settings, engine):
    with engine.begin() as connection:
        connection.execute(text("create table served (other int)"))
    before = schema(engine)
    with pytest.raises(RecsysError, match="served"):
        upgrade(settings)
    assert schema(engine) == before
