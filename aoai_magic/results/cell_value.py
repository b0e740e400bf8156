"""One cell of a table that came back, whatever stands in it."""

from __future__ import annotations

from typing import Any


def cell_value(scalar: Any) -> Any:
    """Return a value of Arrow as Python has it; as text where Python cannot hold it.

    Lists and the like of times that Python cannot hold have no text either: then it is the type.
    """
    for read in (lambda: scalar.as_py(), lambda: str(scalar)):
        try:
            return read()
        # A time of a far year or an unknown zone, which pytz reports as a KeyError.
        except (ValueError, OverflowError, ImportError, KeyError):
            continue
    return f"<{scalar.type}>"
