"""Values that travel as one pickle: their libraries have no form that Arrow knows."""

from __future__ import annotations

from typing import Any

from aoai_magic.frame_codec import portable
from aoai_magic.frame_codec.arrays import Beside, Spec


def dump(value: Any) -> tuple[Any, Spec, Beside]:
    """Pickle the whole value, beside an empty table."""
    import pyarrow as pa

    return pa.table({}), {}, {"value": portable.packed(value)}


def load(_: Any, __: Spec, beside: Beside) -> Any:
    """Return the value."""
    return beside["value"]
