"""Where the table is in a CSV file: its separator, the lines above its header, its header rows.

What is not certain is left as the plain rule has it: the first line is the header.
"""

from __future__ import annotations

import csv
import io
import itertools
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from aoai_magic.tables.errors import NoTable
from aoai_magic.tables.limits import MOST_COLUMNS

HEAD_CHARS = 1 << 20
"""Characters that are looked at."""

_ROWS = 200
_SEPARATORS = (",", ";", "\t", "|")
_TITLE_LINES = 30
_LEVELS = 4
_NUMBER = re.compile(r"\s*[-+]?[\d.,]*\d[\d.,]*([eE][-+]?\d+)?%?\s*")
_EXCEL = re.compile(r'"?sep=(.)"?\r?\n?', re.IGNORECASE)

Row = list[str]


@dataclass(frozen=True)
class Dialect:
    """Where the table is.

    Attributes
    ----------
    names
        For each column its labels, from the top header row down.
    titles, skipped
        Lines above the header that hold anything, and all lines above it.
    offset
        Characters before the first row of data.
    index
        Columns that are the index of a frame with several header rows.
    index_names
        Their names, where a row with these follows the header rows.
    trailing
        Columns at the end without a name, which delimiters at the ends of lines make.
    surplus
        Whether the header has one name less than the rows have cells.
    """

    separator: str
    names: tuple[tuple[str, ...], ...]
    titles: int = 0
    skipped: int = 0
    offset: int = 0
    index: int = 0
    index_names: tuple[str, ...] = ()
    trailing: int = 0
    surplus: bool = False

    @property
    def levels(self) -> int:
        """The number of header rows."""
        return len(self.names[0]) if self.names else 1


@dataclass(frozen=True)
class _Line:
    cells: Row
    start: int  # lines before it
    offset: int  # of characters up to its end


def sniff(text: str, usual: str = ",") -> Dialect:
    """Return where the table is in a text, or in its first `HEAD_CHARS`.

    ``usual`` is the separator that the file's name stands for.

    Raises
    ------
    ValueError
        The text holds no table.
    NoTable
        It has too many columns.
    """
    excel = _EXCEL.match(text)
    separators = [excel[1]] if excel else [usual, *_SEPARATORS]
    found = [(one, _lines(text, one)) for one in dict.fromkeys(separators)]
    separator, lines = max(found, key=lambda pair: _regularity(pair[1]))
    above = lines[:1] if excel else []
    lines = [line for line in lines[len(above) :] if line.cells]
    if not lines:
        raise ValueError("no rows")
    return _dialect(separator, lines, len(above))


def sniff_rows(rows: Sequence[Row]) -> Dialect:
    """Return where the table is in the first rows of a sheet; ``offset`` counts rows.

    Raises
    ------
    ValueError
        There is nothing in them.
    """
    lines = [_Line(row, place, place + 1) for place, row in enumerate(rows) if any(row)]
    if not lines:
        raise ValueError("no rows")
    return _dialect("", lines, 0)


def _lines(text: str, separator: str) -> list[_Line]:
    found = list[_Line]()
    offset = 0
    stream = io.StringIO(text[:HEAD_CHARS], newline="")

    def counted() -> Iterator[str]:
        nonlocal offset
        for line in stream:
            offset += len(line)
            yield line

    reader = csv.reader(counted(), delimiter=separator)
    try:
        start = 0
        for cells in reader:
            found.append(_Line(cells, start, offset))
            start = reader.line_num
            if len(found) == _ROWS:
                return found
    except csv.Error:  # a cell longer than the module takes, or NUL
        return found
    # The last line may have been cut.
    return found[:-1] if len(text) > HEAD_CHARS and len(found) > 1 else found


def _regularity(lines: Sequence[_Line]) -> float:
    """Return the share of lines that have the most usual number of cells, if that is above 1."""
    widths = Counter(len(line.cells) for line in lines if line.cells)
    several = {width: count for width, count in widths.items() if width > 1}
    return max(several.values(), default=0) / max(1, sum(widths.values()))


def _dialect(separator: str, lines: Sequence[_Line], above: int) -> Dialect:
    width = _width(lines)
    if max(len(line.cells) for line in lines) > MOST_COLUMNS + 1:
        raise NoTable("too many columns")
    start = _header(lines, width)
    rows = [line.cells for line in lines[start:]]
    # One row more than the header, all of them with nothing at the end: `a,b\n1,2,\n`.
    given = len(rows[0])
    wider = max((len(row) for row in rows[1:]), default=given)
    empty_end = wider == given + 1 and all(not row[given:] or not row[given] for row in rows[1:])
    surplus = wider == given + 1 and not empty_end and all(len(r) == wider for r in rows[1:])
    trailing = 1 if empty_end else _trailing(rows)
    levels, index = (1, 0) if surplus else _levels(rows, given - trailing)
    named = _index_names(rows[levels]) if index and levels < len(rows) else 0
    names = _names(rows[:levels], max(given, len(rows[0])) - (0 if empty_end else trailing))
    names = [("",) * levels, *names] if surplus else names
    last = lines[start + levels - 1 + bool(named)]
    index_names = tuple(rows[levels][:named]) if named else ()
    return Dialect(
        separator,
        tuple(names),
        start + above,
        lines[start].start,
        last.offset,
        index,
        index_names,
        trailing,
        surplus,
    )


def _width(lines: Sequence[_Line]) -> int:
    """Return the most usual number of cells, the wider of two that are as usual."""
    widths = Counter(len(line.cells) for line in lines)
    return max(widths, key=lambda width: (widths[width], width))


def _header(lines: Sequence[_Line], width: int) -> int:
    """Return the place of the header among the lines; those above it are a title."""
    if width < 2:
        return 0
    place = 0
    while place < min(len(lines) - 1, _TITLE_LINES) and _is_title(lines[place].cells, width):
        place += 1
    above = [line.cells for line in lines[:place]]
    # `name,` above rows of two texts may be a title or a header: only a bare line is certain.
    certain = width > 2 or any(len(row) == 1 or not any(row) for row in above)
    return place if place and certain and _is_header(lines[place].cells) else 0


def _is_title(row: Row, width: int) -> bool:
    """Whether a line has a text in its first cell and nothing else, or nothing at all."""
    return not any(cell.strip() for cell in row[1:]) and len(row) <= width + 1


def _is_header(row: Row) -> bool:
    names = [cell.strip() for cell in row if cell.strip()]
    return len(names) > 1 and not all(_NUMBER.fullmatch(name) for name in names)


def _trailing(rows: Sequence[Row]) -> int:
    """Return how many columns at the end have neither name nor value."""
    count, width = 0, len(rows[0])
    while count < width - 1 and all(not "".join(row[width - count - 1 :]).strip() for row in rows):
        count += 1
    return count


def _levels(rows: Sequence[Row], width: int) -> tuple[int, int]:
    """Return the number of header rows and of columns that are the index.

    As pandas writes columns of several levels: the upper rows repeat labels; a row with
    the names of the index alone may follow.
    """
    first = rows[0][:width]
    counts = Counter(label for label in first if label)
    repeats = any(count > 1 for count in counts.values())
    for levels in range(2, min(_LEVELS, len(rows) - 2) + 1):
        index = _index_names(rows[levels][:width])
        several = repeats or _is_merged(rows[:levels], index, width)
        if index and several and _are_labels(rows[:levels], index, width):
            return levels, index
    for levels in range(2, min(_LEVELS, len(rows) - 1) + 1):
        index = 0 if any(row[0] for row in rows[:levels] if row) else 1
        if not (repeats or _is_merged(rows[:levels], index, width)):
            break
        if _are_labels(rows[:levels], index, width) and _stand_over_numbers(
            rows[levels - 1][:width], rows[levels : levels + 20], index
        ):
            return levels, index
    return 1, 0


def _index_names(row: Row) -> int:
    """Return how many cells stand at the start of a row that has nothing after them."""
    count = next((place for place, cell in enumerate(row) if not cell), len(row))
    return count if 0 < count < len(row) and not any(row[count:]) else 0


def _is_merged(rows: Sequence[Row], index: int, width: int) -> bool:
    """Whether labels of the first row stand over several of the second."""
    upper, lower = rows[0][index:width], rows[1][index:width]
    gaps = [not cell and bool(left) for left, cell in itertools.pairwise(upper)]
    return any(gaps) and all(cell for cell, gap in zip(lower[1:], gaps, strict=False) if gap)


def _are_labels(rows: Sequence[Row], index: int, width: int) -> bool:
    """Whether header rows name every column below them, each once."""
    if any(len(row) < width or sum(map(bool, row[index:])) < 2 for row in rows):
        return False
    if not rows[0][index] and not rows[-1][index]:
        return False
    names = _names(rows, width)[index:]
    return len(names) > 1 and len(set(names)) == len(names)


def _stand_over_numbers(labels: Row, below: Sequence[Row], index: int) -> bool:
    """Whether a row is texts alone, and stands over numbers: another row of labels."""
    if any(_NUMBER.fullmatch(label) for label in labels[index:]):
        return False
    columns = ([row[c] for row in below if c < len(row) and row[c]] for c in range(len(labels)))
    numeric = [bool(c) and all(map(_NUMBER.fullmatch, c)) for c in columns]
    places = [place for place, is_numeric in enumerate(numeric) if is_numeric and place >= index]
    return bool(places) and all(labels[place] for place in places)


def _names(rows: Sequence[Row], width: int) -> list[tuple[str, ...]]:
    """Return the labels of each column; an empty one in an upper row is that to its left."""
    if len(rows) == 1:
        return [(label,) for label in rows[0][:width]]
    filled = list[Row]()
    for place, row in enumerate(rows):
        cells = (row + [""] * width)[:width]
        for column in range(1, width) if place < len(rows) - 1 else ():
            cells[column] = cells[column] or cells[column - 1]
        filled.append(cells)
    return list(zip(*filled, strict=True))
