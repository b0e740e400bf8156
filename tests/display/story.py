"""Turns as events, from which the tests fold views."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable, Iterator
from functools import reduce

from aoai_magic.turn import events
from aoai_magic.turn.view import View, fold


def png(width: int = 240, height: int = 90) -> bytes:
    """A real picture: a gradient."""
    rows = b"".join(
        b"\0" + bytes(v for x in range(width) for v in (x * 255 // width, 120, y * 255 // height))
        for y in range(height)
    )

    def chunk(kind: bytes, data: bytes) -> bytes:
        body = kind + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", head)
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )


CODE = """# Monthly revenue by region
import pandas as pd

monthly = sales.groupby(["month", "region"])["revenue"].sum().unstack()
print(monthly.tail(3))
"""
ANSWER = """## North grew fastest

Revenue in the **North** rose by *34 %*, from $1.2 to $1.6 million; the mean is \\(\\bar x = 3\\).

| region | growth |
|:-------|-------:|
| North  |   34 % |
| South  |   12 % |

- [x] looked at all months
- [ ] checked for outliers

```python
monthly.pct_change()
```

The table is at [top.csv](sandbox:/mnt/data/top.csv), the method at <https://example.org/growth>.
"""


def turn() -> list[events.Event]:
    """A turn with everything in it: a failed attempt, logs, a picture, a file."""
    return [
        events.Started("thread_1", "local", "gpt-4o", "namespaces"),
        events.TextDelta("t1", "I will look at the **sales** "),
        events.TextDone("t1", "I will look at the **sales** table first."),
        events.CodeDelta("c1", "sales.groupby('Month')"),
        events.CodeRunning("c1"),
        events.LogsDelta("c1", "KeyError: 'Month' is no column\n"),
        events.CodeDone("c1", "KeyError: 'Month'", 0.12),
        *(events.CodeDelta("c2", line) for line in CODE.splitlines(keepends=True)),
        events.CodeRunning("c2"),
        events.LogsDelta("c2", "region   North  South\n"),
        events.LogsDelta("c2", "2026-10  1.60   1.10\n"),
        events.CodeDone("c2", None, 0.41),
        events.ImageMade("i1", "revenue.png", png()),
        *(events.TextDelta("t2", ANSWER[i : i + 20]) for i in range(0, len(ANSWER), 20)),
        events.TextDone("t2", ANSWER),
        events.FileMade("top.csv", b"customer,revenue\nA,3\n", "file_1"),
        events.UsageReported(events.Usage(1200, 340, 0)),
        events.Finished("completed", None, 3.2),
    ]


def thoughtful() -> list[events.Event]:
    """A turn of a reasoning model at a service, with what it cost."""
    return [
        events.Started("thread_1", "openai", "gpt-5"),
        events.ReasoningDelta("r1", "**Looking** at "),
        events.ReasoningDelta("r1", "the <b>months</b>."),
        events.ReasoningDone("r1", "**Looking** at the <b>months</b>.", 4.0),
        events.TextDelta("t1", "North."),
        events.TextDone("t1", "North."),
        events.UsageReported(events.Usage(1200, 340, 600, container_minutes=5), 0.0123),
        events.Finished("completed", None, 3.2),
    ]


def views(happened: Iterable[events.Event]) -> Iterator[View]:
    """The view after each event."""
    view = View()
    for event in happened:
        view = fold(view, event)
        yield view


def final(happened: Iterable[events.Event]) -> View:
    """The view after all events."""
    return reduce(fold, happened, View())
