"""DataFrame, Series and Index as a table and a header, and back."""

from __future__ import annotations

from typing import Any

from aoai_magic.frame_codec import labels, portable
from aoai_magic.frame_codec.arrays import (
    Beside,
    Spec,
    bare,
    decode,
    decode_codes,
    dump_frequency,
    encode,
    encode_codes,
    index_of,
)

_FEW = 50
"""Columns that may stand each for itself."""


class Columns:
    """Arrow columns as they are gathered, each under a name of its own."""

    def __init__(self) -> None:
        self.beside: Beside = {}
        self.names: dict[str, int] = {}
        self.arrays: list[Any] = []

    def add(self, label: object, values: Any) -> Spec:
        """Encode `values` and return a spec that also says which column holds them."""
        with portable.part(portable.text_of(label)):
            return self._add(label, *encode(values, self.beside))

    def add_labels(self, label: object, values: Any) -> Spec:
        """Add values that have to be hashable: an index's."""
        with portable.part("index", hashable=True):
            return self._add(label, *encode(values, self.beside))

    def add_codes(self, label: object, codes: Any, categories: Any) -> Spec:
        """Add codes and what they stand for."""
        label = "index" if label is None else label
        with portable.part("index"):
            return self._add(label, *encode_codes(codes, categories, self.beside))

    def _add(self, label: object, array: Any, spec: Spec) -> Spec:
        if array is None:
            return spec
        self.arrays.append(array)
        return {**spec, "field": self._name(portable.text_of(label))}

    def _name(self, wish: str) -> int:
        """Return the column its place; a second one of a name becomes ``name_2``."""
        # A lone surrogate has no UTF-8 form, which is what Arrow's names are.
        name = base = wish.encode("utf-8", "replace").decode()
        count = 1
        while name in self.names:
            count += 1
            name = f"{base}_{count}"
        self.names[name] = len(self.names)
        return self.names[name]

    def table(self) -> Any:
        """Return the table."""
        import pyarrow as pa

        return pa.table(self.arrays, names=list(self.names))


class Reader:
    """Gives the arrays of specs again."""

    def __init__(self, table: Any, beside: Beside) -> None:
        self.table = table
        self.beside = beside

    def values(self, spec: Spec) -> Any:
        """Decode the column that the spec names."""
        return decode(self._array(spec), spec, self.beside)

    def codes(self, spec: Spec) -> tuple[Any, Any]:
        """Decode codes and what they stand for."""
        return decode_codes(self._array(spec), spec, self.beside)

    def _array(self, spec: Spec) -> Any:
        return self.table.column(spec["field"]) if "field" in spec else None


def dump_frame(frame: Any) -> tuple[Any, Spec, Beside]:
    """Dump a DataFrame: table, header, and what is pickled beside."""
    columns, extras = Columns(), _dump_extras(frame)
    frame = _plain(frame)
    fields = [columns.add(label, bare(series)) for label, series in frame.items()]
    header = {
        "fields": fields,
        "labels": _dump_labels(frame.columns),
        "index": _dump_index(frame.index, columns),
        **extras,
    }
    return columns.table(), header, columns.beside


def load_frame(table: Any, header: Spec, beside: Beside) -> Any:
    """Build the DataFrame again."""
    import pandas as pd

    reader = Reader(table, beside)
    index = _load_index(header["index"], reader)
    # Joining the columns in blocks takes their memory once more; many are slow without.
    is_joined = len(header["fields"]) > _FEW
    own = _as_it_is if is_joined else _writable
    columns = {
        place: _column(own(reader.values(spec)), index)
        for place, spec in enumerate(header["fields"])
    }
    frame = pd.DataFrame(columns, index=index, copy=is_joined)
    frame.columns = _load_labels(header["labels"])
    return _load_extras(frame, header)


def _column(values: Any, index: Any) -> Any:
    """Return the values; objects in a Series, lest pandas make dates and texts of them."""
    import pandas as pd

    if values.dtype != object:
        return values
    return pd.Series(values, index, dtype=object, copy=False)


def _as_it_is(values: Any) -> Any:
    return values


def _writable(values: Any) -> Any:
    """Return values whose memory is their own: Arrow's cannot be written to."""
    flags = getattr(values, "flags", None)
    return values if flags is not None and flags.writeable else values.copy()


def dump_series(series: Any) -> tuple[Any, Spec, Beside]:
    """Dump a Series."""
    columns, extras = Columns(), _dump_extras(series)
    series = _plain(series)
    header = {
        "values": columns.add("values" if series.name is None else series.name, bare(series)),
        "label": _dump_label(series.name),
        "index": _dump_index(series.index, columns),
        **extras,
    }
    return columns.table(), header, columns.beside


def load_series(table: Any, header: Spec, beside: Beside) -> Any:
    """Build the Series again."""
    import pandas as pd

    reader = Reader(table, beside)
    values = reader.values(header["values"])
    index = _load_index(header["index"], reader)
    label = labels.load(header["label"])
    series = pd.Series(_writable(values), index, dtype=values.dtype, name=label, copy=False)
    return _load_extras(series, header)


def dump_index(index: Any) -> tuple[Any, Spec, Beside]:
    """Dump an Index."""
    columns = Columns()
    header = {"index": _dump_index(index, columns)}
    return columns.table(), header, columns.beside


def load_index(table: Any, header: Spec, beside: Beside) -> Any:
    """Build the Index again."""
    return _load_index(header["index"], Reader(table, beside))


def _dump_index(index: Any, columns: Columns) -> Spec:
    import pandas as pd

    spec: Spec
    if isinstance(index, pd.RangeIndex):
        spec = {"range": [index.start, index.stop, index.step]}
    elif isinstance(index, pd.MultiIndex):
        levels = zip(index.names, index.codes, index.levels, strict=True)
        spec = {"levels": [columns.add_codes(*level) for level in levels]}
    else:
        spec = {"level": _dump_level(index, columns)}
    return {**spec, "names": list(map(_dump_label, index.names))}


def _dump_label(name: Any) -> Any:
    with portable.part("names", hashable=True):
        return labels.dump(name)


def _dump_level(index: Any, columns: Columns) -> Spec:
    spec = columns.add_labels("index" if index.name is None else index.name, bare(index))
    return {**spec, "freq": dump_frequency(index)}


def _load_index(spec: Spec, reader: Reader) -> Any:
    import pandas as pd

    names = [labels.load(name) for name in spec["names"]]
    if "range" in spec:
        return pd.RangeIndex(range(*spec["range"]), name=names[0])
    if "levels" in spec:
        codes, levels = zip(*map(reader.codes, spec["levels"]), strict=True)
        return pd.MultiIndex(levels, codes, names=names, verify_integrity=False)
    index = index_of(reader.values(spec["level"])).rename(names[0])
    if spec["level"]["freq"] is not None:
        index.freq = labels.load(spec["level"]["freq"])
    return index


def _dump_labels(axis: Any) -> Spec:
    import pandas as pd

    spec: Spec
    if isinstance(axis, pd.RangeIndex):
        spec = {"range": [axis.start, axis.stop, axis.step]}
    elif axis.nlevels == 1 and axis.dtype == object and all(type(x) is str for x in axis):
        spec = {"texts": list(axis)}
    else:
        spec = _dump_axis(axis)
    return {**spec, "names": list(map(_dump_label, axis.names))}


def _dump_axis(axis: Any) -> Spec:
    with portable.part("columns", hashable=True):
        own, _ = portable.reduced(axis)
        # What is left of an axis whose labels were replaced one by one is no Index any more.
        return {"axis": labels.dump(own if hasattr(own, "names") else index_of(own))}


def _load_labels(spec: Spec) -> Any:
    import pandas as pd

    names = [labels.load(name) for name in spec["names"]]
    if "range" in spec:
        return pd.RangeIndex(range(*spec["range"]), name=names[0])
    if "texts" in spec:
        return pd.Index(spec["texts"], dtype=object, name=names[0])
    return labels.load(spec["axis"])


def _plain(value: Any) -> Any:
    """Return a value of the notebook's own subclass as one of the class above it.

    pandas copies ``attrs`` deeply with every column that it hands out, and what stands there
    may refuse to be copied: from here on they are left out.
    """
    import pandas as pd

    if value.attrs:
        return (pd.Series if isinstance(value, pd.Series) else pd.DataFrame)(value, copy=False)
    base = portable.base_of(type(value))
    return value if base is type(value) else base(value)


def _dump_extras(value: Any) -> Spec:
    import pandas as pd

    extras = {
        "attrs": _dump_attrs(value.attrs) if value.attrs else None,
        "duplicates": value.flags.allows_duplicate_labels,
    }
    kind: Any = portable.base_of(type(value))
    if kind is not type(value):
        portable.lose(type(value), kind.__name__)
    if kind not in (pd.DataFrame, pd.Series):
        # pandas' own protocol for subclasses: what `_metadata` names is a property of
        # the frame that its data does not tell (GeoPandas' active geometry).
        own = {name: getattr(value, name, None) for name in kind._metadata}
        extras["subclass"] = labels.dump((kind, own))
    return extras


def _dump_attrs(attrs: Any) -> Any:
    """Leave out the entries of which nothing but a text could travel."""
    if not portable.is_collecting():
        return labels.dump(attrs)
    kept = {}
    for key, value in attrs.items():
        with portable.part(f"attrs[{key!r}]"):
            try:
                (own, entry), losses = portable.reduce_one((key, value))
            except Exception:
                losses = [portable.Loss("", type(value).__name__, "text")]
            if any(loss.form == "text" for loss in losses):
                portable.lose(type(value), "nothing")
                continue
            portable.note(losses)
            kept[own] = entry
    return labels.dump(kept)


def _load_extras(value: Any, header: Spec) -> Any:
    if "subclass" in header:
        kind, own = labels.load(header["subclass"])
        value = kind(value)
        for name, fact in own.items():
            object.__setattr__(value, name, fact)
    value.attrs.update(labels.load(header["attrs"]) or {})
    value.flags.allows_duplicate_labels = header["duplicates"]
    return value
