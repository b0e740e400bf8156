"""The loader of typed CSV; its source goes to the service and runs in its container.

It imports nothing of this package, and must run on older versions of Python and pandas
than ours. See `csv_parcel` for what it reads.
"""

from __future__ import annotations

import ast
import datetime as dt
import decimal
import hashlib
import os
import re
import zipfile
from collections.abc import Callable
from typing import Any


def load_typed_csv(filename: str, spec: dict[str, Any], folder: str = "/mnt/data") -> Any:
    """Return the value that the file of that name in `folder` holds.

    Services put a hash or an id in front of the name, so there may be several; the one that
    was sent with this loader is known by its content.
    """
    import pandas as pd

    with _opened(_find(filename, spec["sha256"], folder)) as file:
        raw = pd.read_csv(file, dtype=str, na_filter=False, encoding_errors="surrogatepass")
    cells = [raw.iloc[:, n].tolist() for n in range(raw.shape[1])]  # headings may repeat
    columns = [_column(cells[n], one) for n, one in enumerate(spec["columns"])]
    rows = range(spec["rows"])
    frame = pd.concat(columns, axis=1) if columns else pd.DataFrame(index=rows)
    frame.columns = _index([_column(*level) for level in spec["labels"]])
    frame.columns.names = spec["label_names"]
    index = spec["index"]
    if "range" in index:
        frame.index = pd.RangeIndex(*index["range"])
    else:
        levels = zip(cells[len(columns) :], index["levels"])  # noqa: B905  (Python 3.9)
        frame.index = _index([_column(*level) for level in levels])
    frame.index.names = index["names"]
    return _value(frame, spec)


def _find(filename: str, sha256: str, folder: str) -> str:
    name = re.compile(r"((c?file[-_]\w+|[0-9a-f]{16,})-)?" + re.escape(filename))
    found = [entry for entry in os.scandir(folder) if name.fullmatch(entry.name)]
    for entry in sorted(found, key=lambda entry: -entry.stat().st_mtime):
        with open(entry.path, "rb") as file:  # noqa: PTH123
            if hashlib.sha256(file.read()).hexdigest() == sha256:
                return entry.path
    raise FileNotFoundError(
        f"{filename} is not in {folder} as it was sent; the user has to attach it again."
    )


def _opened(path: str) -> Any:
    if not path.endswith(".zip"):
        return open(path, "rb")  # noqa: PTH123
    archive = zipfile.ZipFile(path)
    return archive.open(archive.namelist()[0])


def _index(levels: list[Any]) -> Any:
    import pandas as pd

    return pd.Index(levels[0]) if len(levels) == 1 else pd.MultiIndex.from_arrays(levels)


def _value(frame: Any, spec: dict[str, Any]) -> Any:
    import pandas as pd

    if spec["kind"] == "series":
        return frame.iloc[:, 0] if spec["named"] else frame.iloc[:, 0].rename(None)
    if spec["kind"] == "index":
        return pd.Index(frame.iloc[:, 0], name=spec["name"])
    if spec["kind"] == "array":
        return frame.iloc[:, 0].to_numpy().reshape(spec["shape"])
    return frame


def _column(texts: list[str], spec: dict[str, Any]) -> Any:
    import pandas as pd

    form = _FORMS.get(spec["k"])
    if form is not None:
        return pd.Series(form(texts, spec))
    read = _OBJECTS[spec["k"]]
    values = [
        None if text == "" else read(text[1:] if text[:1] == "\\" else text) for text in texts
    ]
    return pd.Series(values, dtype=spec.get("dtype", object))


def _numbers(texts: list[str], spec: dict[str, Any]) -> Any:
    import numpy as np

    if spec["dtype"] == "bool":
        return np.array([text == "True" for text in texts], dtype=bool)
    return np.array(texts, dtype=str).astype(spec["dtype"])


def _masked(texts: list[str], spec: dict[str, Any]) -> Any:
    import pandas as pd

    read: Callable[[str], Any] = float if spec["dtype"].startswith("Float") else int
    if spec["dtype"] == "boolean":
        read = "True".__eq__
    values = [None if text == "" else read(text) for text in texts]
    return pd.array(values, dtype=spec["dtype"])


def _times(texts: list[str], spec: dict[str, Any]) -> Any:
    import numpy as np
    import pandas as pd

    times = pd.Series(np.array(texts, dtype=spec["dtype"]))
    if spec["zone"]:
        return times.dt.tz_localize("UTC").dt.tz_convert(spec["zone"])
    return times


def _durations(texts: list[str], spec: dict[str, Any]) -> Any:
    import numpy as np

    return np.array(texts, dtype=str).astype("int64").view(spec["dtype"])


def _categories(texts: list[str], spec: dict[str, Any]) -> Any:
    import pandas as pd

    known = pd.Index(_column(*spec["categories"]))
    codes = {text: code for code, text in enumerate(spec["categories"][0])}
    return pd.Categorical.from_codes(
        [codes.get(text, -1) for text in texts], known, ordered=spec["ordered"]
    )


def _periods(texts: list[str], spec: dict[str, Any]) -> Any:
    import pandas as pd

    return pd.PeriodIndex(["NaT" if text == "" else text for text in texts], dtype=spec["dtype"])


_FORMS: dict[str, Callable[[list[str], dict[str, Any]], Any]] = {
    "number": _numbers,
    "masked": _masked,
    "time": _times,
    "duration": _durations,
    "category": _categories,
    "period": _periods,
}
_OBJECTS: dict[str, Callable[[str], Any]] = {
    "str": str,
    "text": str,
    "string": str,
    "date": dt.date.fromisoformat,
    "decimal": decimal.Decimal,
    "literal": ast.literal_eval,
}
