"""Index: the passages of one vector store, in an SQLite file with full-text search, and vectors.

It holds nothing that could not be made again from the stored files. FTS5 finds the
passages that share words with the query; they are ranked here, by Okapi BM25 over all
terms of the query (Robertson and Zaragoza 2009), since FTS5's own rank says nothing in
a store of a few passages: it counts a word that most of them have as worthless.
"""

from __future__ import annotations

import json
import math
import sqlite3
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import Any

from aoai_magic.engine.search.fusion import Scores, Weights, merge
from aoai_magic.engine.search.passages import Passage
from aoai_magic.engine.search.terms import asked, terms
from aoai_magic.engine.search.vectors import Matrix, Vectors
from aoai_magic.shared.private_files import private_file, private_folder

FORMAT = 4
"""To be raised when terms or tables change; indexes of another format are made anew."""

_SCHEMA = f"""
CREATE TABLE passages (
    id INTEGER PRIMARY KEY AUTOINCREMENT, file_id TEXT NOT NULL, start INTEGER NOT NULL,
    text TEXT NOT NULL, place TEXT NOT NULL, length INTEGER NOT NULL);
CREATE INDEX passages_file ON passages (file_id, start);
CREATE TABLE files (id TEXT PRIMARY KEY, model TEXT NOT NULL, has_vectors INTEGER NOT NULL);
CREATE INDEX passages_length ON passages (length);
CREATE VIRTUAL TABLE terms USING fts5(
    words, tokenize = "unicode61 remove_diacritics 0 categories 'L* N* M* Co'");
CREATE VIRTUAL TABLE vocabulary USING fts5vocab(terms, row);
PRAGMA user_version = {FORMAT};
"""
_PRAGMAS = ("journal_mode=WAL", "synchronous=NORMAL", "busy_timeout=10000")
CANDIDATES = 100
_LOOKED_AT = 2000
_MOST_TERMS = 200
_SATURATION, _LENGTH_WEIGHT = 1.2, 0.75
"""BM25's usual parameters, k1 and b."""


@dataclass(frozen=True)
class Hit:
    """A passage that was found; ``score`` is between 0 and 1, the best hit comes first."""

    file_id: str
    text: str
    score: float
    place: str


@dataclass(frozen=True)
class Indexed:
    """What is put into an index of one file.

    Attributes
    ----------
    filename
        Its name, whose words count too.
    passages
        What it was cut into.
    model
        The model of the vectors, also where it failed; empty for none.
    vectors
        A row for each passage, None without.
    """

    filename: str
    passages: Sequence[Passage]
    model: str = ""
    vectors: Matrix | None = None


class Index:
    """The index of one vector store; it is made by the first passages."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._vectors = Vectors(path.with_suffix(".vectors"))

    @property
    def usable(self) -> bool:
        """Whether there is an index, of the present format."""
        if not self._path.exists():
            return False
        with suppress(sqlite3.DatabaseError), closing(sqlite3.connect(self._path)) as database:
            return bool(database.execute("PRAGMA user_version").fetchone()[0] == FORMAT)
        return False

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        if not self.usable:
            self.drop()
            private_folder(self._path.parent)
            private_file(self._path)
        with closing(_connect(self._path)) as database:
            database.execute("BEGIN IMMEDIATE")
            if database.execute("PRAGMA user_version").fetchone()[0] != FORMAT:
                for statement in filter(str.strip, _SCHEMA.split(";\n")):
                    database.execute(statement)
            yield database
            database.execute("COMMIT")

    def put(self, files: Mapping[str, Indexed]) -> None:
        """Replace files, by their ids, all or none.

        Vectors are no part of the transaction. So passages never get an id again, and the
        vectors of those that go are cleared when they are gone.
        """
        gone: list[int] = []
        with self._writing() as database:
            for file_id, file in files.items():
                gone += self._remove(database, file_id)
                named = list(terms(file.filename.rpartition(".")[0]))
                ids = [
                    _insert(database, file_id, passage, [*named, *terms(passage.text)])
                    for passage in file.passages
                ]
                row = (file_id, file.model, file.vectors is not None)
                database.execute("INSERT INTO files VALUES (?, ?, ?)", row)
                if file.vectors is None:
                    self._vectors.clear(ids)
                elif self._vectors.put(ids, file.vectors):
                    others = "UPDATE files SET has_vectors = 0 WHERE id != ?"
                    database.execute(others, [file_id])
        self._vectors.clear(gone)

    def outdated(self, model: str) -> list[str]:
        """Return the files that were put with vectors of another model than this, or without.

        Without a model there are none: words are compared whatever stands beside them.
        """
        return self._listed("SELECT id FROM files WHERE model != ?", model) if model else []

    def lacking(self, model: str) -> list[str]:
        """Return the files for which the model failed."""
        return self._listed("SELECT id FROM files WHERE model = ? AND NOT has_vectors", model)

    def _listed(self, query: str, value: str) -> list[str]:
        if not self.usable:
            return []
        with closing(_connect(self._path)) as database:
            return [id_ for (id_,) in database.execute(query, [value])]

    def remove(self, file_id: str) -> None:
        """Remove a file's passages."""
        if self.usable:
            with self._writing() as database:
                gone = self._remove(database, file_id)
            self._vectors.clear(gone)

    def _remove(self, database: sqlite3.Connection, file_id: str) -> list[int]:
        """Remove a file's passages but for their vectors; return their ids."""
        held = "SELECT id FROM passages WHERE file_id = ?"
        gone = [id_ for (id_,) in database.execute(held, [file_id])]
        database.execute(f"DELETE FROM terms WHERE rowid IN ({held})", [file_id])  # noqa: S608
        database.execute("DELETE FROM passages WHERE file_id = ?", [file_id])
        database.execute("DELETE FROM files WHERE id = ?", [file_id])
        return gone

    def drop(self) -> None:
        """Delete the whole index."""
        for suffix in ("", "-wal", "-shm"):
            self._path.with_name(self._path.name + suffix).unlink(missing_ok=True)
        self._vectors.drop()

    def text(self, file_id: str) -> str:
        """Return the text of a file, as it was cut into passages."""
        query = "SELECT start, text FROM passages WHERE file_id = ? ORDER BY start"
        with closing(_connect(self._path)) as database:
            return joined(database.execute(query, [file_id]))

    def search(
        self,
        query: str,
        most: int,
        files: Collection[str] | None = None,
        vector: Matrix | None = None,
        weights: Weights | None = None,
    ) -> list[Hit]:
        """Find passages, of the ``files`` alone if they are given.

        ``vector`` is the query's; without it words alone are compared.
        """
        if not self.usable:
            return []
        with closing(_connect(self._path)) as database:
            terms_ = _ranking(database, asked(query))
            candidates = _candidates(database, terms_.telling(), files)
            scores: Scores = {id_: terms_.score(words) for id_, words in candidates}
            if vector is not None:
                meant = self._vectors.nearest(vector, CANDIDATES, _passages(database, files))
                scores = merge(
                    scores,
                    meant,
                    weights or Weights(),
                    lambda ids: _scored(database, terms_, ids),
                    lambda ids: self._vectors.cosines(vector, ids),
                )
            best = sorted(scores, key=lambda id_: (-scores[id_], id_))
            return _hits(database, [(id_, scores[id_]) for id_ in best[:most]])


def joined(passages: Iterable[Sequence[Any]]) -> str:
    """Return the text that was cut into passages, given as their starts and texts in order."""
    whole, end = "", 0
    for start, text in passages:
        # Between rows there is the end of a line.
        whole += "\n" * (start - end) + text[max(end - start, 0) :]
        end = start + len(text)
    return whole


def _connect(path: Path) -> sqlite3.Connection:
    database = sqlite3.connect(path, isolation_level=None)
    for pragma in _PRAGMAS:
        database.execute(f"PRAGMA {pragma}")
    return database


def _insert(
    database: sqlite3.Connection, file_id: str, passage: Passage, found: Sequence[str]
) -> int:
    """Store a passage and its terms; return its id."""
    row = (file_id, passage.start, passage.text, passage.place, len(found))
    made = database.execute(
        "INSERT INTO passages (file_id, start, text, place, length) VALUES (?, ?, ?, ?, ?)", row
    )
    database.execute(
        "INSERT INTO terms (rowid, words) VALUES (?, ?)", (made.lastrowid, " ".join(found))
    )
    return made.lastrowid or 0


def _candidates(
    database: sqlite3.Connection, wanted: Sequence[str], files: Collection[str] | None
) -> list[tuple[int, str]]:
    """Find passages that share words with the query; gives their ids and terms."""
    if not wanted:
        return []
    match = " OR ".join(f'"{term}"' for term in wanted)
    query, values = "SELECT rowid, words FROM terms WHERE terms MATCH ?", [match]
    if files is not None:
        query += (
            " AND rowid IN (SELECT id FROM passages WHERE file_id IN"
            " (SELECT value FROM json_each(?)))"
        )
        values.append(json.dumps(list(files)))
    return database.execute(f"{query} ORDER BY rank LIMIT {CANDIDATES}", values).fetchall()


def _scored(database: sqlite3.Connection, terms_: Ranking, ids: Sequence[int]) -> Scores:
    query = "SELECT rowid, words FROM terms WHERE rowid IN (SELECT value FROM json_each(?))"
    rows = database.execute(query, [json.dumps(ids)])
    return {id_: terms_.score(words) for id_, words in rows}


def _passages(database: sqlite3.Connection, files: Collection[str] | None) -> list[int] | None:
    """Return the ids of the files' passages; None for all."""
    if files is None:
        return None
    query = "SELECT id FROM passages WHERE file_id IN (SELECT value FROM json_each(?))"
    return [id_ for (id_,) in database.execute(query, [json.dumps(list(files))])]


def _hits(database: sqlite3.Connection, scores: Sequence[tuple[int, float]]) -> list[Hit]:
    query = (
        "SELECT id, file_id, text, place FROM passages WHERE id IN (SELECT value FROM json_each(?))"
    )
    rows = database.execute(query, [json.dumps([id_ for id_, _ in scores])])
    held = {id_: facts for id_, *facts in rows}
    return [
        Hit(held[id_][0], held[id_][1], round(score, 4), held[id_][2])
        for id_, score in scores
        if id_ in held
    ]


@dataclass(frozen=True)
class Ranking:
    """How passages are scored: by what each term of the query is worth, and their length.

    ``held`` counts the passages with each term, ``length`` is the usual one in terms.
    """

    held: Mapping[str, int]
    worth: Mapping[str, float]
    length: float

    @classmethod
    def of(cls, count: int, length: float, held: Mapping[str, int]) -> Ranking:
        """Return what ``count`` passages of that usual length are scored by."""
        worth = {t: math.log(1 + (count - n + 0.5) / (n + 0.5)) for t, n in held.items()}
        return cls(held, worth, length or 1)

    def telling(self) -> list[str]:
        """Return the rarest terms, as many as leave few enough passages to look at.

        Of a long query they are a part: a database takes no condition of any length.
        """
        there = (term for term in self.held if self.held[term])
        rarest = sorted(there, key=self.held.__getitem__)[:_MOST_TERMS]
        sums = list(accumulate(self.held[term] for term in rarest))
        return [
            term for term, seen in zip(rarest, sums, strict=True) if seen <= _LOOKED_AT
        ] or rarest[:1]

    def score(self, text: str) -> float:
        """Return the score of a passage's terms, between 0 and 1: 0.9 with each of the query once.

        What is above is kept: a bound that cuts off would make all good passages equal.
        """
        found = text.split(" ")
        counts = Counter(found)
        relative = 1 - _LENGTH_WEIGHT + _LENGTH_WEIGHT * len(found) / self.length
        total = 0.0
        for term, worth in self.worth.items():
            times = counts[term]
            total += worth * times * (_SATURATION + 1) / (times + _SATURATION * relative)
        total /= sum(self.worth.values()) or 1
        return 0.9 * min(total, 1) + 0.1 * max(total - 1, 0) / _SATURATION


def _ranking(database: sqlite3.Connection, wanted: Sequence[str]) -> Ranking:
    count, length = database.execute("SELECT count(length), avg(length) FROM passages").fetchone()
    return Ranking.of(count, length, {term: _holding(database, term) for term in wanted})


def _holding(database: sqlite3.Connection, term: str) -> int:
    """Count the passages that have a term."""
    row = database.execute("SELECT doc FROM vocabulary WHERE term = ?", [term]).fetchone()
    return int(row[0]) if row else 0
