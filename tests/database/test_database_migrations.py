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


def schema(engine: Engine) -> dict[str, object]:
    """Tables and all that belongs to them, as the database tells it."""
    seen = inspect(engine)
    told = (seen.get_columns, seen.get_foreign_keys, seen.get_unique_constraints)
    tables = {table: str([tell(table) for tell in told]) for table in seen.get_table_names()}
    return {table: (text, sorted(str(i["name"]) for i in seen.get_indexes(table))) for table, text in tables.items()}


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
        context = MigrationContext.configure(connection, opts={"compare_server_default": True})
        assert compare_metadata(context, Base.metadata) == []


def test_types_fit_the_database(settings, engine, on_sqlite):
    upgrade(settings)
    columns = {column["name"]: str(column["type"]) for column in inspect(engine).get_columns("impressions")}
    found = {name: columns[name] for name in ("position", "at", "known_at", "shown")}
    if on_sqlite:
        assert found == {"position": "INTEGER", "at": "FLOAT", "known_at": "FLOAT", "shown": "JSON"}
    else:
        assert found == {"position": "BIGINT", "at": "TIMESTAMP", "known_at": "TIMESTAMP", "shown": "JSONB"}
        with engine.connect() as connection:
            zones = "select distinct data_type from information_schema.columns where data_type like 'timestamp%'"
            assert connection.scalars(text(zones)).all() == ["timestamp with time zone"]


def test_the_comparison_sees_a_difference(settings, engine):
    upgrade(settings)
    with engine.begin() as connection:
        connection.execute(text("drop index ix_clicks_known_at"))
        connection.execute(text("alter table articles add column colour text"))
        found = compare_metadata(MigrationContext.configure(connection), Base.metadata)
    assert sorted(difference[0] for difference in found) == ["add_index", "remove_column"]


@pytest.mark.parametrize("settings", ["sqlite"], indirect=True)
def test_models_and_migrations_agree_where_keys_are_never_reused(settings, engine):
    """Alembic does not compare this; PostgreSQL's sequences never go back."""
    upgrade(settings)
    with engine.connect() as connection:
        rows = connection.execute(text("select name from sqlite_master where sql like '%AUTOINCREMENT%'"))
        migrated = {row.name for row in rows}
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
