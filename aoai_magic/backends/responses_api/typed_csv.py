r"""Typed CSV: a parcel as the services' code interpreters can take it.

They read CSV but no Arrow or Parquet, and CSV forgets types. So what goes there is a
CSV file, zipped where that saves much, and a small Python file that loads it with
every dtype, label, index and null as they were. The CSV reads well without the loader
too: an empty cell is null, an empty text is a backslash, and a text that begins with a
backslash has another in front.
"""

from __future__ import annotations

import ast
import datetime as dt
import decimal
import hashlib
import io
import zipfile
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aoai_magic import frame_codec
from aoai_magic.backends.responses_api import typed_csv_loader
from aoai_magic.errors import AttachError
from aoai_magic.locale import gettext as _
from aoai_magic.text.file_names import untaken

NULL = ""

Encoded = tuple[list[str], dict[str, Any]]
"""A column as texts, and the spec by which they are read again."""

_ZIP_FROM = 64 << 10
"""Bytes of CSV below which a ZIP is not worth the model's effort to look inside."""


@dataclass(frozen=True)
class Typed:
    """What is sent for a value.

    Attributes
    ----------
    filename, data
        The CSV file, or the ZIP that holds it.
    loader_name, loader
        Python source that defines the variable from that file, and that file's name.
    as_text
        Labels of columns whose values could only be sent as text.
    """

    filename: str
    data: bytes
    loader_name: str
    loader: str
    as_text: tuple[str, ...]

    @property
    def loader_data(self) -> bytes:
        """The loader's source, encoded."""
        return self.loader.encode(errors="surrogatepass")


def convert(path: Path, taken: Collection[str] = ()) -> Typed | None:
    """Convert a parcel of ours to files of names that are not ``taken``; None for any other file.

    Raises
    ------
    AttachError
        The value is of a kind that CSV cannot carry.
    """
    manifest = frame_codec.peek(path)
    if manifest is None:
        return None
    frame, shape = _frame(frame_codec.unpack(path), manifest.name)
    columns, spec, as_text = _taken_apart(frame)
    text = _csv(_headings(frame), columns)
    packed = _zipped(f"{manifest.name}.csv", text) if len(text) >= _ZIP_FROM else text
    zipped = len(packed) < len(text) // 2
    filename = untaken(manifest.name, ".zip" if zipped else ".csv", taken)
    data = packed if zipped else text
    own = {"sha256": hashlib.sha256(data).hexdigest()}
    loader = _loader(manifest.name, filename, {**spec, **shape, **own})
    loader_name = untaken(f"load_{manifest.name}", ".py", taken)
    return Typed(filename, data, loader_name, loader, as_text)


def _frame(value: Any, name: str) -> tuple[Any, dict[str, Any]]:
    """Return the value as a DataFrame, and how to make the value of that again."""
    import numpy as np

    try:
        import pandas as pd
    except ImportError as error:
        raise AttachError(
            _(
                "{name} cannot be sent, because pandas, which writes the CSV that the service "
                "reads, is not installed; install it with pip install pandas."
            ).format(name=name)
        ) from error
    if hasattr(value, "to_pandas"):
        value = value.to_pandas()
    if isinstance(value, pd.DataFrame):
        return value, {"kind": "frame"}
    if isinstance(value, pd.Series):
        return value.to_frame(), {"kind": "series", "named": value.name is not None}
    if isinstance(value, pd.Index) and not isinstance(value, pd.MultiIndex):
        return value.to_frame(index=False, name="0"), {"kind": "index", "name": value.name}
    if isinstance(value, np.ndarray) and value.dtype.names is None:
        flat = pd.DataFrame({"0": value.reshape(-1)})
        return flat, {"kind": "array", "shape": list(value.shape)}
    raise AttachError(
        _(
            "{name} is of type {type}, which cannot be sent as CSV, the only form that "
            "the service reads; attach a DataFrame of it, or ask with --on local."
        ).format(name=name, type=type(value).__name__)
    )


def _taken_apart(frame: Any) -> tuple[list[list[str]], dict[str, Any], tuple[str, ...]]:
    import pandas as pd

    cells, specs, as_text = [], [], []
    for position, label in enumerate(frame.columns):
        texts, spec = encode(frame.iloc[:, position])
        cells.append(texts)
        specs.append(spec)
        if spec["k"] == "text":
            as_text.append(str(label))
    index: dict[str, Any] = {"names": [_name(name) for name in frame.index.names]}
    if isinstance(frame.index, pd.RangeIndex):
        index["range"] = [frame.index.start, frame.index.stop, frame.index.step]
    else:
        levels = [_level(frame.index, n) for n in range(frame.index.nlevels)]
        cells += [texts for texts, _ in levels]
        index["levels"] = [spec for _, spec in levels]
    labels = [_level(frame.columns, n) for n in range(frame.columns.nlevels)]
    spec = {
        "rows": len(frame),
        "columns": specs,
        "index": index,
        "labels": labels,
        "label_names": [_name(name) for name in frame.columns.names],
    }
    return cells, spec, tuple(as_text)


def _level(index: Any, number: int) -> Encoded:
    import pandas as pd

    return encode(pd.Series(index.get_level_values(number)))


def _name(name: Any) -> Any:
    """Return a name as it is written in Python source; one that cannot be is a text."""
    plain = name.item() if hasattr(name, "item") else name
    return plain if _is_literal(plain) else str(plain)


def _headings(frame: Any) -> list[str]:
    """Name the columns of the file, for whoever reads it without the loader."""
    if len(frame.columns) == 0 and frame.index.nlevels == 1:
        return ["index"]  # a file without a column could not be read
    index = [str(name if name is not None else "index") for name in frame.index.names]
    return [*map(str, frame.columns), *index]


def _csv(headings: list[str], columns: list[list[str]]) -> bytes:
    import pandas as pd

    frame = pd.DataFrame(dict(enumerate(columns or [[]])))
    frame.columns = pd.Index(headings[: frame.shape[1]])
    # Every cell is quoted: an empty line would be skipped, and a bare \r end a line.
    text: str = frame.to_csv(index=False, lineterminator="\n", quoting=1)
    return text.encode(errors="surrogatepass")


def _zipped(name: str, data: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, data)
    return buffer.getvalue()


# Columns: each form of values, with what the loader needs to make them again


def encode(series: Any) -> Encoded:
    """Write a column as texts; gives these and the spec by which they are read again."""
    import pandas as pd

    dtype = series.dtype
    for matches, write in _FORMS:
        if matches(pd, dtype):
            return write(series)
    return _objects(series.astype(object))


def _numbers(series: Any) -> Encoded:
    import numpy as np

    values = series.to_numpy()
    # numpy writes the shortest text that reads as the same number of that width.
    with np.errstate(invalid="ignore"):  # numpy 1.23 warns of NaN, which it writes rightly
        texts = values.astype(str) if values.dtype.kind in "fc" else np.char.mod("%s", values)
    return texts.tolist(), {"k": "number", "dtype": str(values.dtype)}


def _masked(series: Any) -> Encoded:
    texts = [NULL if null else str(v) for v, null in zip(series, series.isna(), strict=True)]
    return texts, {"k": "masked", "dtype": str(series.dtype)}


def _times(series: Any) -> Encoded:
    import numpy as np

    zone = getattr(series.dtype, "tz", None)
    naive = series.dt.tz_convert("UTC").dt.tz_localize(None) if zone else series
    values = naive.to_numpy()
    spec = {"k": "time", "dtype": str(values.dtype), "zone": str(zone) if zone else None}
    return np.datetime_as_string(values).tolist(), spec


def _durations(series: Any) -> Encoded:
    values = series.to_numpy()
    texts = [str(value) for value in values.astype("int64").tolist()]
    return texts, {"k": "duration", "dtype": str(values.dtype)}


def _categories(series: Any) -> Encoded:
    import pandas as pd

    known = encode(pd.Series(series.cat.categories))
    if len(set(known[0])) < len(known[0]):
        return _objects(series.astype(object))  # two categories of one text: cannot be told apart
    spec = {"k": "category", "ordered": bool(series.cat.ordered), "categories": known}
    texts = [*known[0], NULL]  # the last one for code -1: null
    return [texts[code] for code in series.cat.codes.tolist()], spec


def _periods(series: Any) -> Encoded:
    texts = [NULL if null else str(v) for v, null in zip(series, series.isna(), strict=True)]
    return texts, {"k": "period", "dtype": str(series.dtype)}


def _strings(series: Any) -> Encoded:
    return _escaped(series, str), {"k": "string", "dtype": str(series.dtype)}


def _objects(series: Any) -> Encoded:
    present = [value for value in series if not _is_null(value)]
    for kind, (matches, write) in _OBJECTS.items():
        if all(matches(value) for value in present):
            return _escaped(series, write), {"k": kind}
    return _escaped(series, str), {"k": "text"}


def _escaped(series: Any, write: Callable[[Any], str]) -> list[str]:
    texts = [NULL if _is_null(value) else "\0" + write(value) for value in series]
    return [t if t == NULL else ("\\" if t[1:2] in ("\\", "") else "") + t[1:] for t in texts]


def _is_null(value: Any) -> bool:
    import pandas as pd

    return value is None or value is pd.NA or value is pd.NaT or value != value


def _is_literal(value: Any) -> bool:
    try:
        return bool(ast.literal_eval(repr(value)) == value)
    except (ValueError, SyntaxError, TypeError, RecursionError):
        return False


def _is_numpy(dtype: Any) -> bool:
    return type(dtype).__module__.startswith("numpy")


def _is(kind: type) -> Callable[[Any], bool]:
    return lambda value: type(value) is kind


_OBJECTS: dict[str, tuple[Callable[[Any], bool], Callable[[Any], str]]] = {
    "str": (_is(str), str),
    "date": (_is(dt.date), str),
    "decimal": (_is(decimal.Decimal), str),
    "literal": (_is_literal, repr),
}
_FORMS: tuple[tuple[Callable[[Any, Any], bool], Callable[[Any], Encoded]], ...] = (
    (lambda pd, dtype: isinstance(dtype, pd.CategoricalDtype), _categories),
    (lambda pd, dtype: isinstance(dtype, pd.PeriodDtype), _periods),
    (lambda pd, dtype: isinstance(dtype, pd.StringDtype), _strings),
    (lambda pd, dtype: isinstance(dtype, pd.DatetimeTZDtype), _times),
    (lambda _, dtype: dtype.kind == "M" and not hasattr(dtype, "pyarrow_dtype"), _times),
    (lambda _, dtype: dtype.kind == "m" and not hasattr(dtype, "pyarrow_dtype"), _durations),
    (lambda _, dtype: hasattr(dtype, "numpy_dtype") and str(dtype)[0] in "IUFb", _masked),
    (
        lambda _, dtype: type(dtype).__module__.startswith("numpy") and dtype.kind in "iufcb",
        _numbers,
    ),
)


def _loader(name: str, filename: str, spec: dict[str, Any]) -> str:
    source = Path(typed_csv_loader.__file__).read_text("utf-8")
    return f"{source}\n\n{name} = load_typed_csv({filename!r}, {spec!r})\n"
