"""Names and small values in the header: JSON where it is exact, else a pickle."""

from __future__ import annotations

import base64
import math
import pickle
from typing import Any

from aoai_magic.frame_codec import portable

_EXACT = (str, int, bool, type(None))


def dump(value: object) -> Any:
    """Return what stands for `value` in JSON; only `load` reads it."""
    if type(value) in _EXACT or (type(value) is float and math.isfinite(value)):
        return value
    try:
        data = portable.dumps(value)
    except Exception:
        if not portable.is_collecting():
            raise
        portable.lose(type(value), "text")
        return dump(portable.text_of(value))
    return {"pickle": base64.b64encode(data).decode("ascii")}


def load(value: Any) -> Any:
    """Return the value again; unpickles."""
    if isinstance(value, dict):
        return pickle.loads(base64.b64decode(value["pickle"]))  # noqa: S301 - see the package's docstring
    return value
