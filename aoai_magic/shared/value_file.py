"""The file in which a session leaves the value of a typed answer."""

from __future__ import annotations

import re
import secrets

VALUE_FILE = re.compile(r"answer_[0-9a-f]{6}\.json")
"""A new name for each turn: a file that is written again unchanged would not come back."""


def new_value_file() -> str:
    """Return the file's name for one turn."""
    return f"answer_{secrets.token_hex(3)}.json"
