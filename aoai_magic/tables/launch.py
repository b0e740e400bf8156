"""Starting the process that reads a table, and the reasons why it had no answer."""

from __future__ import annotations

import logging
import tempfile
from dataclasses import asdict

from aoai_magic.shared import confined
from aoai_magic.tables.child import Request
from aoai_magic.tables.errors import NoTable

_LOG = logging.getLogger(__name__)
_READER = confined.Reader("aoai_magic.tables.child")


def run(request: Request, data: bytes, most: int) -> bytes:
    """Return the first `most` bytes of what the process answered.

    Raises
    ------
    NoTable
        The process ended before it had answered.
    """
    with tempfile.TemporaryFile() as source:
        source.write(data)
        source.seek(0)
        code, answer, log = _READER.read(asdict(request), source, request.seconds, most)
    if code:
        raise NoTable(_reason(code, log))
    return answer


def _reason(code: int, log: str) -> str:
    is_large = "MemoryError" in log or code < 0
    _LOG.log(
        logging.DEBUG if is_large else logging.ERROR,
        "the process that reads tables ended with %s: %s",
        code,
        log,
    )
    if -code in (confined.SIGXCPU, confined.SIGALRM):
        return "too slow"
    return "too large" if is_large else "our mistake"
