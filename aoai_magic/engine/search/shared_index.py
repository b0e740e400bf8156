"""Shared index: the passages of one vector store in PostgreSQL, for all engines.

PostgreSQL finds the passages that share terms with the query, by its own full-text index over
our terms: its parsers know no Japanese. They are ranked as those of `index` are.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from sqlalchemy import (
    ARRAY,
    ColumnElement,
    Connection,
    Text,
    bindparam,
    case,
    cast,
    delete,
    func,
    insert,
    or_,
    select,
)
from sqlalchemy.dialects.postgresql import TSQUERY

from aoai_magic.engine.search.index import CANDIDATES, Hit, Indexed, Ranking, joined
from aoai_magic.engine.search.passages import Passage
from aoai_magic.engine.search.terms import asked, terms
from aoai_magic.engine.storage.schema import PASSAGES as TABLE
from aoai_magic.engine.storage.store import Store


class SharedIndex:
    """The index of one vector store."""

    usable = True

    def __init__(self, store: Store, store_id: str) -> None:
        self._store = store
        self._id = store_id
        self._mine = TABLE.c.vector_store_id == store_id

    def put(self, files: Mapping[str, Indexed]) -> None:
        """Replace files' passages; see `Index.put`."""
        rows = [
            row
            for file_id, file in files.items()
            for row in self._rows(file_id, file.filename, file.passages)
        ]
        lexemes = func.array_to_tsvector(cast(bindparam("lexemes"), ARRAY(Text)))

        def work(connection: Connection) -> None:
            connection.execute(delete(TABLE).where(self._mine, TABLE.c.file_id.in_(list(files))))
            if rows:
                connection.execute(insert(TABLE).values(terms=lexemes), rows)

        self._store.write_here(work)

    def _rows(
        self, file_id: str, filename: str, passages: Sequence[Passage]
    ) -> list[dict[str, Any]]:
        named = list(terms(filename.rpartition(".")[0]))
        rows = []
        for passage in passages:
            found = [*named, *terms(passage.text)]
            row = {"vector_store_id": self._id, "file_id": file_id, "start": passage.start}
            row |= {"text": passage.text, "place": passage.place}
            row |= {"length": len(found), "words": " ".join(found)}
            rows.append({**row, "lexemes": sorted({*found})})
        return rows

    def remove(self, file_id: str) -> None:
        """Remove a file's passages."""
        of_it = delete(TABLE).where(self._mine, TABLE.c.file_id == file_id)
        self._store.write_here(lambda c: c.execute(of_it))

    def drop(self) -> None:
        """Delete the whole index."""
        self._store.write_here(lambda c: c.execute(delete(TABLE).where(self._mine)))

    def text(self, file_id: str) -> str:
        """Return the text of a file, as it was cut into passages."""
        query = select(TABLE.c.start, TABLE.c.text).where(self._mine, TABLE.c.file_id == file_id)
        ordered = query.order_by(TABLE.c.start)
        return joined(self._store.read_here(lambda c: c.execute(ordered).all()))

    def search(self, query: str, most: int, files: Collection[str] | None = None) -> list[Hit]:
        """Find passages, of the ``files`` alone if they are given."""
        wanted = asked(query)
        if not wanted:
            return []
        return self._store.read_here(lambda c: self._search(c, wanted, most, files))

    def _search(
        self, connection: Connection, wanted: list[str], most: int, files: Collection[str] | None
    ) -> list[Hit]:
        ranking = self._ranking(connection, wanted)
        telling = ranking.telling()
        if not telling:
            return []
        where = [self._mine, or_(*map(_has, telling))]
        if files is not None:
            where.append(TABLE.c.file_id.in_(files))
        worth: Any = sum(case((_has(term), ranking.worth[term]), else_=0.0) for term in telling)
        query = select(TABLE).where(*where).order_by(worth.desc(), TABLE.c.seq).limit(CANDIDATES)
        hits = [
            Hit(row.file_id, row.text, round(ranking.score(row.words), 4), row.place)
            for row in connection.execute(query)
        ]
        return sorted(hits, key=lambda hit: -hit.score)[:most]

    def _ranking(self, connection: Connection, wanted: Sequence[str]) -> Ranking:
        sizes = select(func.count(), func.avg(TABLE.c.length)).where(self._mine)
        count, length = connection.execute(sizes).one()
        counts = [func.count().filter(_has(term)) for term in wanted]
        any_ = or_(*map(_has, wanted))
        held = connection.execute(select(*counts).where(self._mine, any_)).one()
        return Ranking.of(count, float(length or 0), dict(zip(wanted, held, strict=True)))


def _has(term: str) -> ColumnElement[bool]:
    """Return whether a passage has a term."""
    quoted = "'" + term.replace("'", "''") + "'"
    return TABLE.c.terms.op("@@", is_comparison=True)(cast(quoted, TSQUERY))
