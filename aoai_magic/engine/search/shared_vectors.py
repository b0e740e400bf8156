"""Shared vectors: what the passages in PostgreSQL mean, compared by its extension pgvector.

All of a store's are compared, as `vectors` does: an index of pgvector holds one length of
vectors alone, and finds only most of the nearest.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    Connection,
    Float,
    MetaData,
    Table,
    Text,
    cast,
    func,
    insert,
    text,
)
from sqlalchemy.exc import DBAPIError
from sqlalchemy.types import UserDefinedType

from aoai_magic.engine.errors import StoreError
from aoai_magic.engine.search.vectors import Matrix
from aoai_magic.engine.storage.postgresql import lock_schema
from aoai_magic.engine.storage.store import Store


class _Vector(UserDefinedType[Any]):
    """The extension's type, of any length; it is written as text."""

    cache_ok = True

    def get_col_spec(self, **_: Any) -> str:
        """Return its name."""
        return "vector"

    def bind_processor(self, dialect: Any) -> Callable[[Matrix | None], str | None]:
        """Return what writes it."""
        return lambda row: None if row is None else f"[{','.join(map(str, row.tolist()))}]"


VECTORS = Table(
    "passage_vectors",
    MetaData(),
    Column("seq", BigInteger, primary_key=True),
    Column("model", Text, nullable=False),
    Column("embedding", _Vector),
)
"""A row for each passage that a model was asked about; without an embedding where it failed."""

# Not with the schema: there it would need the extension, which few servers have.
_TABLE = """
CREATE TABLE IF NOT EXISTS passage_vectors (
    seq BIGINT PRIMARY KEY REFERENCES passages (seq) ON DELETE CASCADE,
    model TEXT NOT NULL, embedding vector)
"""


def prepare(store: Store) -> None:
    """Make the table, and the extension where this account may.

    Raises
    ------
    StoreError
        When the server has no pgvector, or the account may not turn it on.
    """

    def make(connection: Connection) -> None:
        lock_schema(connection)
        connection.execute(text("CREATE EXTENSION IF NOT EXISTS vector"))
        connection.execute(text(_TABLE))

    try:
        store.write_here(make)
    except DBAPIError as error:
        reason = str(error.orig).strip().partition("\n")[0]
        raise StoreError(
            f"Search by meaning needs PostgreSQL's extension pgvector ({reason}); install it and "
            "run CREATE EXTENSION vector in the database, or leave --embeddings out."
        ) from error


def put(connection: Connection, seqs: Sequence[int], rows: Iterable[tuple[str, Any]]) -> None:
    """Store the model and vector of each passage that a model was asked about."""
    held = [
        {"seq": seq, "model": model, "embedding": vector}
        for seq, (model, vector) in zip(seqs, rows, strict=True)
        if model
    ]
    if held:
        connection.execute(insert(VECTORS), held)


def cosine(vector: Matrix) -> ColumnElement[float]:
    """Return how near a passage is to a query; both have the length 1."""
    product = VECTORS.c.embedding.op("<#>", return_type=Float())(cast(vector, _Vector))
    return -product


def is_like(vector: Matrix) -> ColumnElement[bool]:
    """Return whether a passage has a vector that can be compared with a query's."""
    return func.vector_dims(VECTORS.c.embedding) == len(vector)
