"""Links: where a text points at files of its session, or cites what a search found.

Files are linked as ``sandbox:/mnt/data/name``; a passage is cited by the marker that it
came under, as ``【4:0†name】``: the number of the search in the thread and of the passage in it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import quote

from aoai_magic.engine.storage.objects import Body
from aoai_magic.sandbox.protocol import MOUNT

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


_CITED = re.compile(r"【(\d{1,6}:\d{1,4})†[^【】\n]{0,600}】")


def marker(place: str, filename: str) -> str:
    """Write the marker of a passage; ``place`` is as in ``4:0``."""
    name = re.sub(r"[【】†\s]+", " ", filename)
    return f"【{place}†{name}】"


def find_citations(text: str, passages: Mapping[str, str]) -> list[Body]:
    """Find the ``file_citation`` annotations of a text.

    ``passages`` gives the file ids of passages by their places.
    """
    return [
        {
            "type": "file_citation",
            "text": match[0],
            "start_index": match.start(),
            "end_index": match.end(),
            "file_citation": {"file_id": passages[match[1]]},
        }
        for match in _CITED.finditer(text)
        if match[1] in passages
    ]


def _spellings(files: Mapping[str, str]) -> dict[str, str]:
    """Return the names also as they are written in URLs."""
    quoted = {quote(name, errors="replace"): id_ for name, id_ in files.items()}
    return {**quoted, **files}
