"""Schema: a database that an older engine left, brought up to what this one needs.

Changes only ever add: a table, an index, or a column that may be null or has a default of
its own. So nothing that is stored can be lost, engines of two versions can share a database
while one after the other is replaced, and the tables as declared are all that has to be known:
a chain of revisions (Alembic) would say the same once more, and be imported at the start. A
number in the database keeps engines away that are too old for it.
"""

from __future__ import annotations

from sqlalchemy import Column, Connection, Table, insert, inspect, select, update
from sqlalchemy.schema import CreateColumn

from aoai_magic.engine.errors import StoreError
from aoai_magic.engine.storage.schema import METADATA, SCHEMA, tables

VERSION = 2
"""To be raised when an older engine must no longer write to the database."""


def upgrade(connection: Connection) -> None:
    """Add what is missing.

    Raises
    ------
    StoreError
        When a newer engine has written the database; nothing is changed then.
    """
    found = _version(connection)
    if found > VERSION:
        raise StoreError(
            f"The database was written by a newer aoai_magic (its schema is {found}, this one "
            f"knows {VERSION}); upgrade aoai_magic, or use another data directory."
        )
    needed = tables(connection.dialect.name)
    METADATA.create_all(connection, needed)
    for table in needed:
        _complete(connection, table)
    if found < VERSION:
        row = {"version": VERSION}
        if not connection.execute(update(SCHEMA).values(row)).rowcount:
            connection.execute(insert(SCHEMA).values(row))


def _version(connection: Connection) -> int:
    """Read the number; 1 where the first engines, which wrote none, or nobody has been."""
    if not inspect(connection).has_table(SCHEMA.name):
        return 1
    return connection.execute(select(SCHEMA.c.version)).scalar() or 1


def _complete(connection: Connection, table: Table) -> None:
    """Add a table's missing columns and indexes."""
    there = {column["name"] for column in inspect(connection).get_columns(table.name)}
    for column in table.columns:
        if column.name not in there:
            connection.exec_driver_sql(_addition(connection, table, column))
    for index in table.indexes:
        index.create(connection, checkfirst=True)


def _addition(connection: Connection, table: Table, column: Column[object]) -> str:
    name = connection.dialect.identifier_preparer.format_table(table)
    definition = CreateColumn(column).compile(dialect=connection.dialect)
    return f"ALTER TABLE {name} ADD COLUMN {definition}"
