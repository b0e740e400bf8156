"""NumPy arrays of any shape as one flat column, and back."""

from __future__ import annotations

import math
from typing import Any

from aoai_magic.frame_codec import portable
from aoai_magic.frame_codec.arrays import Beside, Spec
from aoai_magic.frame_codec.pandas_values import Columns, Reader


def dump(array: Any) -> tuple[Any, Spec, Beside]:
    """Dump an array; subclasses (masked arrays, matrices) are pickled whole."""
    import numpy as np

    columns = Columns()
    kind = portable.base_of(type(array))
    if kind is not type(array):
        portable.lose(type(array), kind.__name__)
        array = array.view(kind)
    if kind is not np.ndarray:
        columns.beside["array"] = portable.packed(array)
        return columns.table(), {}, columns.beside
    spec = columns.add("values", array.reshape(-1))
    return columns.table(), {"values": spec, "shape": list(array.shape)}, columns.beside


def load(table: Any, header: Spec, beside: Beside) -> Any:
    """Build the array again, writable and in C order."""
    import numpy as np

    if not header:
        return beside["array"]
    shape = header["shape"]
    flat = Reader(table, beside).values(header["values"])
    return np.array(flat[: math.prod(shape)]).reshape(shape)
