"""Vectors: what the passages of one store mean, and which are nearest to a query.

A file of rows: row N is the vector of passage N, or zeros. It is mapped and compared as a whole:
for 50,000 passages that took 10 ms of a processor, half floats 83 ms, LanceDB 109 ms. sqlite-vec
cannot be loaded where Python was built without SQLite's extensions, as on macOS.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from aoai_magic.shared.private_files import private_file, private_folder

Matrix = npt.NDArray[np.float32]

_HEAD = 64
"""Bytes before the first row; they begin with the length of a row."""


class Vectors:
    """The vectors of one store, each of length 1."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def put(self, ids: Sequence[int], rows: Matrix) -> bool:
        """Replace the vectors of passages; those of another length than before replace all.

        Parameters
        ----------
        rows
            A vector for each id, ``(len(ids), width)``.

        Returns
        -------
        bool
            Whether the others were dropped, since they had another length.
        """
        before = self._width()
        if before != rows.shape[1]:
            self.drop()
            private_folder(self._path.parent)
            private_file(self._path)
            self._path.write_bytes(rows.shape[1].to_bytes(8, "little").ljust(_HEAD, b"\0"))
        size = rows.shape[1] * rows.itemsize
        with self._path.open("r+b") as file:
            for id_, row in zip(ids, rows, strict=True):
                file.seek(_HEAD + (id_ - 1) * size)
                file.write(row.tobytes())
        return before not in (0, rows.shape[1])

    def clear(self, ids: Sequence[int]) -> None:
        """Forget the vectors of passages."""
        if width := self._width():
            self.put(ids, np.zeros((len(ids), width), np.float32))

    def cosines(self, vector: Matrix, ids: Sequence[int]) -> dict[int, float]:
        """Return how near passages are to a query; 0 for those without a vector."""
        rows = self._rows(len(vector))
        known = [id_ for id_ in ids if id_ <= len(rows)]
        near = rows[[id_ - 1 for id_ in known]] @ vector
        return {id_: max(float(cosine), 0.0) for id_, cosine in zip(known, near, strict=True)}

    def nearest(
        self, vector: Matrix, most: int, allowed: Collection[int] | None = None
    ) -> dict[int, float]:
        """Return passages, of the ``allowed`` alone if they are given, and their cosines."""
        rows = self._rows(len(vector))
        cosines = np.asarray(rows @ vector)
        if allowed is not None:
            chosen = np.zeros(len(cosines) + 1, bool)
            chosen[[id_ for id_ in allowed if id_ <= len(cosines)]] = True
            cosines[~chosen[1:]] = 0
        best = np.argsort(-cosines, kind="stable")[:most]
        return {int(place) + 1: float(cosines[place]) for place in best if cosines[place] > 0}

    def _rows(self, width: int) -> Any:
        """Return the rows, mapped; none where they are of another length."""
        count = (self._path.stat().st_size - _HEAD) // (4 * width) if self._width() == width else 0
        if not count:
            return np.zeros((0, width), np.float32)
        return np.memmap(self._path, np.float32, "r", _HEAD, (count, width))

    def _width(self) -> int:
        try:
            with self._path.open("rb") as file:
                return int.from_bytes(file.read(8), "little")
        except FileNotFoundError:
            return 0

    def drop(self) -> None:
        """Delete all of them."""
        self._path.unlink(missing_ok=True)
