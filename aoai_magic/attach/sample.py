"""Samples: some rows of a frame, chosen at random, in their order, the same each time.

What has its rows elsewhere is sampled there (queries), or as it streams by (readers), so
that the whole is never in memory.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from aoai_magic.turn import progress as meter

_SLACK = 1 << 16
"""Rows held beyond those wanted before they are thinned out again."""


def of_value(value: Any, total: int, rows: int) -> Any:
    """Choose `rows` of the `total` rows of a frame, table or array in memory."""
    chosen = choose(total, rows)
    if hasattr(value, "iloc"):
        return value.iloc[chosen]
    take = getattr(value, "take", None)
    return take(chosen) if take and hasattr(value, "num_rows") else value[chosen]


def choose(total: int, rows: int) -> Any:
    """Return the places of `rows` of `total` rows, as a sorted array of int64."""
    import numpy as np

    return np.sort(np.random.default_rng(0).choice(total, min(rows, total), replace=False))


def of_batches(batches: Iterable[Any], schema: Any, rows: int | None) -> tuple[Any, int]:
    """Read record batches to their end and keep `rows` of their rows, or all for None.

    Returns
    -------
    tuple
        The ``pyarrow.Table`` of what was kept, and the number of all rows.
    """
    sieve = _Sieve(rows)
    progress = meter.current()
    total = 0
    for batch in batches:
        sieve.take(batch)
        total += batch.num_rows
        progress.add(batch.num_rows)
    return sieve.table(schema), total


def of_lazy(frame: Any, rows: int) -> tuple[Any, int]:
    """Run a polars query for `rows` of its rows; give them and the number of all rows."""
    import polars as pl

    total = frame.select(pl.len()).collect().item()
    if rows >= total:
        return frame.collect(), total
    place = _unused(frame.collect_schema().names())
    chosen = pl.Series(place, choose(total, rows)).cast(pl.get_index_type())
    kept = frame.with_row_index(place).join(chosen.to_frame().lazy(), on=place, how="semi")
    return kept.sort(place).drop(place).collect(), total


def _unused(names: list[str]) -> str:
    return "row" + "_" * max((len(name) for name in names), default=0)


class _Sieve:
    """Keeps rows of a stream whose length nobody knows, each with the same chance.

    Every row draws a number, and those with the smallest numbers stay.
    """

    def __init__(self, rows: int | None) -> None:
        import numpy as np

        self._rows = rows
        self._dice = np.random.default_rng(0)
        self._limit: float = 1.0
        self._kept: list[Any] = []
        self._draws: list[Any] = []

    def take(self, batch: Any) -> None:
        """Add the next rows."""
        if self._rows is None:
            self._kept.append(batch)
            return
        draws = self._dice.random(batch.num_rows)
        low = draws < self._limit
        self._draws.append(draws[low])
        self._kept.append(batch.take(_places(low)))
        if sum(map(len, self._draws)) > self._rows + _SLACK:
            self._thin()

    def table(self, schema: Any) -> Any:
        """Return the rows that stayed, in their order."""
        import pyarrow as pa

        if self._rows is not None and self._draws:
            self._thin()
        return pa.Table.from_batches(self._kept, schema)

    def _thin(self) -> None:
        import numpy as np
        import pyarrow as pa

        draws = np.concatenate(self._draws)
        if self._rows is None or len(draws) <= self._rows:
            return
        self._limit = float(np.partition(draws, self._rows)[self._rows])
        low = draws < self._limit
        table = pa.Table.from_batches(self._kept).take(_places(low))
        self._draws, self._kept = [draws[low]], table.combine_chunks().to_batches()


def _places(chosen: Any) -> Any:
    import numpy as np
    import pyarrow as pa

    return pa.array(np.flatnonzero(chosen))
