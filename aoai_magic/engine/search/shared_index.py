"""Shared index: the passages of one vector store in PostgreSQL, for all engines.

PostgreSQL finds the passages that share terms with the query, by its own full-text index over
our terms: its parsers know no Japanese. They are ranked as those of `index` are.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import (
    ARRAY,
    ColumnElement,
    Connection,
    FromClause,
    Text,
    bindparam,
    case,
    cast,
    delete,
    func,
    insert,
    join,
    or_,
    outerjoin,
    select,
)
from sqlalchemy.dialects.postgresql import TSQUERY

from aoai_magic.engine.search import shared_vectors
from aoai_magic.engine.search.fusion import Scores, Weights, merge
from aoai_magic.engine.search.index import CANDIDATES, FORMAT, Hit, Indexed, Ranking, joined
from aoai_magic.engine.search.passages import Passage
from aoai_magic.engine.search.shared_vectors import VECTORS, cosine, is_like
from aoai_magic.engine.search.terms import asked, terms
from aoai_magic.engine.search.vectors import Matrix
from aoai_magic.engine.storage.schema import PASSAGES as TABLE
from aoai_magic.engine.storage.store import Store

_COUNTED = 500
"""Terms that are counted at once: PostgreSQL returns 1,664 columns at most."""

_BOTH = outerjoin(TABLE, VECTORS, TABLE.c.seq == VECTORS.c.seq)


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
        added = insert(TABLE).values(terms=lexemes)

        def work(connection: Connection) -> None:
            connection.execute(delete(TABLE).where(self._mine, TABLE.c.file_id.in_(list(files))))
            if rows:
                found = connection.execute(
                    added.returning(TABLE.c.seq, sort_by_parameter_order=True), rows
                )
                shared_vectors.put(connection, found.scalars().all(), _vectors(files.values()))

        self._store.write_here(work)

    def _rows(
        self, file_id: str, filename: str, passages: Sequence[Passage]
    ) -> list[dict[str, Any]]:
        named = list(terms(filename.rpartition(".")[0]))
        rows = []
        for passage in passages:
            found = [*named, *terms(passage.text)]
            row = {"vector_store_id": self._id, "file_id": file_id, "start": passage.start}
            row |= {"text": passage.text, "place": passage.place, "format": FORMAT}
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

    def outdated(self, model: str) -> list[str]:
        """Return the files that were put by another format, or as `Index.outdated` says."""
        found = self._listed(TABLE, TABLE.c.format != FORMAT)
        if model:
            found += self._listed(_BOTH, VECTORS.c.model.is_distinct_from(model))
        return found

    def lacking(self, model: str) -> list[str]:
        """Return the files for which the model failed."""
        return self._listed(_BOTH, (VECTORS.c.model == model) & VECTORS.c.embedding.is_(None))

    def _listed(self, tables: FromClause, where: ColumnElement[bool]) -> list[str]:
        query = select(TABLE.c.file_id).select_from(tables).where(self._mine, where).distinct()
        return list(self._store.read_here(lambda c: c.execute(query).scalars().all()))

    def search(
        self,
        query: str,
        most: int,
        files: Collection[str] | None = None,
        vector: Matrix | None = None,
        weights: Weights | None = None,
    ) -> list[Hit]:
        """Find passages; see `Index.search`."""
        where = [self._mine]
        if files is not None:
            where.append(TABLE.c.file_id.in_(list(files)))

        def find(connection: Connection) -> list[Hit]:
            ranking = self._ranking(connection, asked(query))
            scores = _worded(connection, ranking, where)
            if vector is not None:
                scores = merge(
                    scores,
                    _nearest(connection, vector, where),
                    weights or Weights(),
                    lambda ids: _scored(connection, ranking, ids),
                    lambda ids: _cosines(connection, vector, ids),
                )
            return _hits(connection, scores, most)

        return self._store.read_here(find)

    def _ranking(self, connection: Connection, wanted: Sequence[str]) -> Ranking:
        if not wanted:
            return Ranking.of(0, 0, {})
        sizes = select(func.count(), func.avg(TABLE.c.length)).where(self._mine)
        count, length = connection.execute(sizes).one()
        held: dict[str, int] = {}
        for start in range(0, len(wanted), _COUNTED):
            some = wanted[start : start + _COUNTED]
            counts = [func.count().filter(_has(term)) for term in some]
            found = connection.execute(select(*counts).where(self._mine, or_(*map(_has, some))))
            held |= zip(some, found.one(), strict=True)
        return Ranking.of(count, float(length or 0), held)


def _vectors(files: Iterable[Indexed]) -> Iterator[tuple[str, Matrix | None]]:
    """Yield the model and vector of each passage."""
    for file in files:
        for place in range(len(file.passages)):
            yield file.model, None if file.vectors is None else file.vectors[place]


def _worded(
    connection: Connection, ranking: Ranking, where: Sequence[ColumnElement[bool]]
) -> Scores:
    """Find passages by words, and score them."""
    telling = ranking.telling()
    if not telling:
        return {}
    worth: Any = sum(case((_has(term), ranking.worth[term]), else_=0.0) for term in telling)
    query = select(TABLE.c.seq, TABLE.c.words).where(*where, or_(*map(_has, telling)))
    best = query.order_by(worth.desc(), TABLE.c.seq).limit(CANDIDATES)
    return {seq: ranking.score(words) for seq, words in connection.execute(best)}


def _scored(connection: Connection, ranking: Ranking, seqs: Sequence[int]) -> Scores:
    query = select(TABLE.c.seq, TABLE.c.words).where(TABLE.c.seq.in_(seqs))
    return {seq: ranking.score(words) for seq, words in connection.execute(query)}


def _nearest(
    connection: Connection, vector: Matrix, where: Sequence[ColumnElement[bool]]
) -> Scores:
    """Find passages by meaning."""
    near = cosine(vector).label("near")
    both = join(TABLE, VECTORS, TABLE.c.seq == VECTORS.c.seq)
    query = select(TABLE.c.seq, near).select_from(both).where(*where, is_like(vector))
    best = query.order_by(near.desc(), TABLE.c.seq).limit(CANDIDATES)
    return {seq: value for seq, value in connection.execute(best) if value > 0}


def _cosines(connection: Connection, vector: Matrix, seqs: Sequence[int]) -> Scores:
    query = select(VECTORS.c.seq, cosine(vector)).where(VECTORS.c.seq.in_(seqs), is_like(vector))
    return {seq: max(value, 0.0) for seq, value in connection.execute(query)}


def _hits(connection: Connection, scores: Scores, most: int) -> list[Hit]:
    best = sorted(scores, key=lambda seq: (-scores[seq], seq))[:most]
    rows = connection.execute(select(TABLE).where(TABLE.c.seq.in_(best)))
    held = {row.seq: row for row in rows}
    return [
        Hit(held[seq].file_id, held[seq].text, round(scores[seq], 4), held[seq].place)
        for seq in best
    ]


def _has(term: str) -> ColumnElement[bool]:
    """Return whether a passage has a term."""
    quoted = "'" + term.replace("'", "''") + "'"
    return TABLE.c.terms.op("@@", is_comparison=True)(cast(quoted, TSQUERY))
