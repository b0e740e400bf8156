"""Schema cards: what the model is told of an attached frame.

A card is plain text of at most `LIMIT` characters, however wide the frame is::

    `sales`: pandas.DataFrame, 2,823 rows × 2 columns.
    Index: 0 to 2,822.
    Columns:
    - region: category (EMEA, NA, APAC); 12 null
    - revenue: float64 (482.13 to 14082.8)
    First rows:
    region | revenue
    EMEA | 2871.0

Labels and values come from data: they are cut and freed of control characters, so that
none can pass for a line of the card.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from aoai_magic.attach.schema_facts import Column, Facts
from aoai_magic.locale import Say

LIMIT = 6_000
"""Characters of a card, about 2,000 tokens."""

_COLUMNS_LIMIT = 4_000
_REST_LIMIT = 900
_CELL = 40
_EXAMPLES = 6
_SCAN = 1_000
"""Rows in which examples of text are looked for."""


def card(title: str, facts: Facts, index: str, *, schema_only: bool = False, say: Say = str) -> str:
    """Write the card.

    Parameters
    ----------
    title
        First line: name, kind and size.
    facts
        The frame's columns, index and rows.
    index
        What is said of an index that has no column of its own.
    schema_only
        Leave out everything that is read from values: ranges, examples, categories
        and rows. Names, types and the numbers of nulls stay.
    say
        Translates what a card without values says.
    """
    lines = [title]
    if facts.index:
        levels = _index(facts.index, schema_only)
        lines.append(say("Index: {levels}.").format(levels=levels))
    elif index and not schema_only:
        lines.append(f"Index: {index}.")
    if facts.columns:
        lines += [say("Columns:"), *_columns(facts.columns, schema_only, say)]
    if not schema_only:
        lines += _rows(facts, LIMIT - sum(len(line) + 1 for line in lines))
    return _cut("\n".join(lines), LIMIT)


def clean(text: str, limit: int = _CELL) -> str:
    """Cut a text from data to `limit` characters of one printable line."""
    head = text[: limit + 1]
    return _cut("".join(c if c.isprintable() else " " for c in head), limit)


def _cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else f"{text[: limit - 1]}…"


def _index(levels: Sequence[Column], schema_only: bool) -> str:
    return "; ".join(_column(level, schema_only) for level in levels)


def _columns(columns: Sequence[Column], schema_only: bool, say: Say) -> list[str]:
    """One line for each column while there is room, then the others by dtype."""
    lines: list[str] = []
    used = 0
    for place, column in enumerate(columns):
        line = f"- {_column(column, schema_only)}"
        used += len(line) + 1
        if used > _COLUMNS_LIMIT:
            return lines + _rest(columns[place:], say)
        lines.append(line)
    return lines


def _rest(columns: Sequence[Column], say: Say) -> list[str]:
    names = defaultdict(list)
    for column in columns:
        names[column.dtype].append(column.label)
    share = _REST_LIMIT // min(len(names), 6)
    more = say("- {count:,} more of {dtype}: {labels}")
    lines = [
        more.format(count=len(labels), dtype=clean(dtype), labels=_listed(labels, share, say))
        for dtype, labels in list(names.items())[:6]
    ]
    if len(names) > 6:
        lines.append(say("- and columns of {count} more dtypes").format(count=len(names) - 6))
    return lines


def _listed(labels: Sequence[str], room: int, say: Say) -> str:
    """Join labels until there is no room."""
    text = ""
    for place, label in enumerate(labels):
        more = clean(label)
        if len(text) + len(more) > room:
            rest = say("({count:,} more)").format(count=len(labels) - place)
            return f"{text}, … {rest}".lstrip(", ")
        text = f"{text}, {more}" if text else more
    return text


def _column(column: Column, schema_only: bool) -> str:
    text = f"{clean(column.label, 60)}: {clean(column.dtype, 60)}"
    if not schema_only and (values := _values(column)):
        text += f" ({values})"
    nulls = column.nulls if column.data is None else _nulls(column.data)
    return f"{text}; {nulls:,} null" if nulls else text


def _nulls(data: Any) -> int:
    import pyarrow as pa
    import pyarrow.compute as pc

    nulls = int(data.null_count)
    if pa.types.is_floating(data.type) and not pa.types.is_float16(data.type):
        # pandas' missing number is NaN, which is no null in Arrow.
        nulls += pc.sum(pc.is_nan(data)).as_py() or 0
    return nulls


def _values(column: Column) -> str:
    """Describe in a few words which values there are."""
    try:
        if column.data is not None:
            return _data_values(column.data)
        return _between(*column.ends) if column.ends else _known(column.categories)
    except Exception:  # a text of an object of the user's
        return ""


def _data_values(data: Any) -> str:
    import pyarrow as pa

    kinds: list[tuple[Callable[[Any], bool], Callable[[Any], str]]] = [
        (pa.types.is_dictionary, _categories),
        (pa.types.is_boolean, _truths),
        (_is_text, _examples),
        (_is_ordered, _range),
    ]
    try:
        say = next((say for matches, say in kinds if matches(data.type)), None)
        return say(data) if say and len(data) else ""
    except (pa.ArrowException, ValueError, OverflowError):  # a date beyond Python's years
        return ""


def _is_text(kind: Any) -> bool:
    import pyarrow as pa

    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind)) or (
        str(kind) == "string_view"
    )


def _is_ordered(kind: Any) -> bool:
    import pyarrow as pa

    ranges = (pa.types.is_integer, pa.types.is_floating, pa.types.is_decimal, pa.types.is_temporal)
    return any(matches(kind) for matches in ranges) and not pa.types.is_float16(kind)


def _categories(data: Any) -> str:
    if not data.num_chunks:
        return ""
    values = data.chunk(0).dictionary
    return _known(values.slice(0, _EXAMPLES).to_pylist(), len(values))


def _known(values: Sequence[object], count: int | None = None) -> str:
    count = len(values) if count is None else count
    shown = _texts(list(values[:_EXAMPLES]))
    return f"{shown}, … {count:,} in all" if count > _EXAMPLES else shown


def _truths(data: Any) -> str:
    import pyarrow.compute as pc

    return f"{pc.sum(data).as_py() or 0:,} true"


def _examples(data: Any) -> str:
    seen = dict.fromkeys(value for value in data.slice(0, _SCAN).to_pylist() if value is not None)
    shown = _texts(list(seen)[:_EXAMPLES])
    return f"{shown}, …" if len(seen) > _EXAMPLES else shown


def _range(data: Any) -> str:
    import pyarrow.compute as pc

    ends = pc.min_max(data)
    return _between(*(ends[key].as_py() for key in ("min", "max")))


def _between(*ends: object) -> str:
    low, high = map(_short, ends)
    return low if low == high else f"{low} to {high}"


def _short(value: object) -> str:
    return f"{value:.6g}" if isinstance(value, float) else clean(str(value))


def _texts(values: Iterable[object]) -> str:
    return ", ".join(clean(str(value)) for value in values)


def _rows(facts: Facts, room: int) -> list[str]:
    """Return the first rows, as many columns of them as there is room for."""
    try:
        rows = facts.head()
    except Exception:  # again such a date, or an object of the user's that has no text
        return []
    table = [[column.label for column in facts.columns], *rows]
    table = [[clean(cell) for cell in row] for row in table if row]
    width = _fitting(table, room - 120) if rows else 0
    if not width:
        return []
    more = f" (of the first {width} columns)" if width < len(table[-1]) else ""
    return [f"First rows{more}:", *(" | ".join(row[:width]) for row in table)]


def _fitting(table: Sequence[Sequence[str]], room: int) -> int:
    """Count the columns that fit into `room` characters."""
    columns = list(zip(*table, strict=False))
    for place, column in enumerate(columns):
        room -= sum(len(cell) + 3 for cell in column)
        if room < 0:
            return place
    return len(columns)


def sample_words(taken: int, whole: int) -> str:
    """Describe that rows were left out, and how the others were chosen."""
    return (
        f"a random sample of {taken:,} of {whole:,} rows, kept in their order"
        if taken < whole
        else ""
    )
