"""Values of typed answers: what the code of a question printed, saved as it was computed."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from aoai_magic.shared.value_file import VALUE_FILE

_SCALARS = ("integer", "number", "string")
_PRINTED = re.compile(r"^print\((.*)\)$", re.MULTILINE)
_TABLE = re.compile(r"(\w+).*\.to_csv\((?:index=False)?\)")


IS_REPAIR = "The value did not fit: "
"""How the question begins that asks for the value once more; rules have no other."""


def out_name(messages: Sequence[Mapping[str, Any]]) -> str:
    """Return the variable that the table of the answer becomes; empty where none is asked for."""
    found = re.search(r"becomes the variable `(\w+)` of", _system(messages))
    return found[1] if found else ""


def _system(messages: Sequence[Mapping[str, Any]]) -> str:
    return "\n".join(str(m["content"]) for m in messages if m["role"] in ("system", "developer"))


def with_value(code: str, messages: Sequence[Mapping[str, Any]]) -> str:
    """Return code that also saves the value that the system's message asks for.

    Nothing is added where the code does not print exactly one thing that could be it.
    """
    system = _system(messages)
    schema = re.search(r"of this JSON schema: (\{.*\})$", system, re.MULTILINE)
    # Files of earlier turns are listed too.
    file = re.search(rf'as JSON in "/mnt/data/({VALUE_FILE.pattern})"', system)
    if not schema or not file:
        return code
    value = _value(code, json.loads(schema[1]).get("type"))
    if not value:
        return code
    plain = "lambda x: x.item() if hasattr(x, 'item') else str(x)"
    save = f"    json.dump({value}, file, default={plain})\n"
    return f'{code}\nimport json\n\nwith open("/mnt/data/{file[1]}", "w") as file:\n{save}'


def _value(code: str, kind: str) -> str:
    """Return the expression of the value; empty where nothing of that kind is printed."""
    printed = _PRINTED.findall(code)
    tables = [found[1] for text in printed if (found := _TABLE.fullmatch(text))]
    values = [text for text in printed if not _TABLE.fullmatch(text)]
    figures = [text for text in values if not text.startswith("len(")] or values
    if kind in _SCALARS:
        return figures[0] if len(figures) == 1 and not tables else ""
    if len(tables) != 1:
        return ""
    if kind == "array":
        index = "" if any("index=False" in text for text in printed) else ".reset_index()"
        return f'{tables[0]}{index}.to_dict("records")'
    return f"{{str(key): value for key, value in {tables[0]}.to_dict().items()}}"
