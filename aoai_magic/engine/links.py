"""Links: where a text points at files of its session as ``sandbox:/mnt/data/name``."""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import quote

from aoai_magic.engine.objects import Body
from aoai_magic.sandbox.session import MOUNT

_SCHEME = f"sandbox:{MOUNT}/"


def find_links(text: str, files: Mapping[str, str]) -> list[Body]:
    """Find the annotations of a text.

    Parameters
    ----------
    text
        What the model wrote; it is not changed.
    files
        File ids by the names of the session's files. Names may hold any character, so
        they are looked for as they are, the longest first.

    Returns
    -------
    list of dict
        ``file_path`` annotations; the indices count code points of ``text``.
    """
    spellings = _spellings(files)
    if not spellings or _SCHEME not in text:
        return []
    names = sorted(spellings, key=len, reverse=True)
    pattern = re.compile(re.escape(_SCHEME) + f"({'|'.join(map(re.escape, names))})")
    return [
        {
            "type": "file_path",
            "text": match[0],
            "start_index": match.start(),
            "end_index": match.end(),
            "file_path": {"file_id": spellings[match[1]]},
        }
        for match in pattern.finditer(text)
    ]


def _spellings(files: Mapping[str, str]) -> dict[str, str]:
    """Give the names also as they are written in URLs."""
    quoted = {quote(name, errors="replace"): id_ for name, id_ in files.items()}
    return {**quoted, **files}
