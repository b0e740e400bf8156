"""One-dimensional arrays of NumPy and pandas as Arrow arrays, and back.

Each codec is one kind of dtype. ``encode`` gives an Arrow array (or None, when the
values go beside the table as a pickle) and the facts that ``decode`` needs besides it.
The first codec whose ``handles`` agrees is taken; the last takes everything.
"""

from __future__ import annotations

import datetime as dt
import decimal
from collections.abc import Callable, MutableMapping
from dataclasses import dataclass
from typing import Any

from aoai_magic.frame_codec import labels, portable

Spec = dict[str, Any]
Beside = MutableMapping[str, Any]


@dataclass(frozen=True)
class Codec:
    """How one kind of dtype travels."""

    name: str
    handles: Callable[[Any], bool]
    encode: Callable[[Any, Beside], tuple[Any, Spec]]
    decode: Callable[[Any, Spec, Beside], Any]


def encode(values: Any, beside: Beside) -> tuple[Any, Spec]:
    """Turn an ndarray or an extension array into an Arrow array and its spec.

    Parameters
    ----------
    values
        One-dimensional ``numpy.ndarray`` or ``pandas.api.extensions.ExtensionArray``.
    beside
        Receives what has no Arrow type.

    Returns
    -------
    tuple
        The Arrow array of the same length, or None if the values went into `beside`,
        and a JSON object for `decode`.
    """
    codec = next(c for c in CODECS if c.handles(values))
    array, spec = codec.encode(values, beside)
    return array, {"codec": codec.name, **spec}


def decode(array: Any, spec: Spec, beside: Beside) -> Any:
    """Reverse `encode`; the result may share the Arrow array's read-only memory."""
    return _BY_NAME[spec["codec"]].decode(array, spec, beside)


# NumPy


def _is_plain(values: Any) -> bool:
    dtype = values.dtype
    return getattr(dtype, "kind", "") in "biufmM" and _is_numpy(dtype) and dtype.itemsize <= 8


def _is_numpy(dtype: Any) -> bool:
    import numpy as np

    return isinstance(dtype, np.dtype)


def _encode_plain(values: Any, _: Beside) -> tuple[Any, Spec]:
    import pyarrow as pa

    native = values.astype(values.dtype.newbyteorder("="), copy=False)
    if values.dtype.kind in "mM" and not _has_arrow_unit(values.dtype):
        return _encode_raw(values, _)
    # from_pandas=False: a NaN is a value and must not become null.
    return pa.array(native, from_pandas=False), {"dtype": values.dtype.str}


def _has_arrow_unit(dtype: Any) -> bool:
    import numpy as np

    return np.datetime_data(dtype) in {(unit, 1) for unit in ("s", "ms", "us", "ns")}


def _decode_plain(array: Any, spec: Spec, _: Beside) -> Any:
    import numpy as np

    if "raw" in spec:
        return _decode_raw(array, spec, _)
    return array.to_numpy(zero_copy_only=False).astype(np.dtype(spec["dtype"]), copy=False)


def _is_raw(values: Any) -> bool:
    return _is_numpy(values.dtype) and values.dtype.kind in "fcSUV" and not values.dtype.hasobject


def _encode_raw(values: Any, _: Beside) -> tuple[Any, Spec]:
    import numpy as np
    import pyarrow as pa

    size = values.dtype.itemsize
    data = pa.py_buffer(np.ascontiguousarray(values).tobytes())
    array = pa.Array.from_buffers(pa.binary(size), len(values), [None, data])
    return array, {"dtype": labels.dump(values.dtype), "raw": True}


def _decode_raw(array: Any, spec: Spec, _: Beside) -> Any:
    import numpy as np

    dtype = labels.load(spec["dtype"])
    flat = _whole(array)
    if not len(flat):
        return np.empty(0, dtype)
    return np.frombuffer(flat.buffers()[1], dtype, len(flat), flat.offset * dtype.itemsize)


# Objects

_OBJECT_TYPES: dict[type, str] = {
    str: "large_string",
    bytes: "large_binary",
    bool: "bool_",
    int: "int64",
    float: "float64",
    dt.date: "date32",
}
"""Python types of which Arrow gives back the very same values."""


def _is_object(values: Any) -> bool:
    return _is_numpy(values.dtype) and values.dtype.kind == "O"


def _encode_object(values: Any, beside: Beside) -> tuple[Any, Spec]:
    """Send objects of one exact type, and one kind of null, as Arrow; others as a pickle."""
    kinds = set(map(type, values))
    for null in _nulls():
        rest = kinds - {type(null)}
        if len(rest) <= 1 and (array := _one_type(values, rest, null)) is not None:
            return array, {"null": labels.dump(null) if type(null) in kinds else None}
    return _encode_pickle(values, beside)


def _nulls() -> list[Any]:
    import sys

    pandas = sys.modules.get("pandas")
    return [None, float("nan"), *((pandas.NA, pandas.NaT) if pandas else ())]


def _one_type(values: Any, kinds: set[type], null: Any) -> Any:
    import pyarrow as pa

    kind = next(iter(kinds), str)
    if kind is decimal.Decimal:
        return _decimals(values, null)
    name = _OBJECT_TYPES.get(kind)
    if name is None or (kind is float and null is not None):
        return None
    try:
        # With from_pandas=True None, NaN, NaT and NA all become null.
        array = pa.array(values, type=getattr(pa, name)(), from_pandas=null is not None)
    except (pa.ArrowException, OverflowError, UnicodeEncodeError):
        return None
    # A number among texts is an error by now; among numbers it was silently converted.
    if type(null) is not float or kind in (str, bytes):
        return array
    return array if array.null_count == sum(type(v) is float for v in values) else None


def _decimals(values: Any, null: Any) -> Any:
    """Decimals of one exponent; Arrow would give ``1.50`` for ``1.5`` among others."""
    import pyarrow as pa

    if null is not None:
        return None
    exponents = {v.as_tuple().exponent for v in values if v is not None}
    if len(exponents) != 1 or not all(isinstance(e, int) and e <= 0 for e in exponents):
        return None
    try:
        return pa.array(values, from_pandas=False)
    except pa.ArrowException:
        return None


def _decode_object(array: Any, spec: Spec, beside: Beside) -> Any:
    import numpy as np

    if "key" in spec:
        return _decode_pickle(array, spec, beside)
    values = np.empty(len(array), dtype=object)
    values[:] = array.to_pylist()
    null = labels.load(spec["null"])
    if null is not None and array.null_count:
        values[array.is_null().to_numpy(zero_copy_only=False)] = null
    return values


# pandas


def _pandas_dtype(name: str) -> Callable[[Any], bool]:
    """Whether the dtype is pandas' class of that name; needs no import of pandas."""

    def handles(values: Any) -> bool:
        import sys

        pandas = sys.modules.get("pandas")
        return pandas is not None and isinstance(values.dtype, getattr(pandas, name))

    return handles


def _is_masked(values: Any) -> bool:
    import sys

    pandas = sys.modules.get("pandas")
    return pandas is not None and isinstance(
        values,
        (pandas.arrays.IntegerArray, pandas.arrays.FloatingArray, pandas.arrays.BooleanArray),
    )


def _encode_masked(values: Any, _: Beside) -> tuple[Any, Spec]:
    import pyarrow as pa

    # The public ways to data and mask fold NaN into NA, two values that differ here.
    array = pa.array(values._data, mask=values._mask, from_pandas=False)
    return array, {"dtype": str(values.dtype)}


def _decode_masked(array: Any, spec: Spec, _: Beside) -> Any:
    import pandas as pd

    dtype: Any = pd.api.types.pandas_dtype(spec["dtype"])
    mask = array.is_null().to_numpy(zero_copy_only=False)
    data = array.fill_null(False if spec["dtype"] == "boolean" else 0)
    data = data.to_numpy(zero_copy_only=False).astype(dtype.numpy_dtype)
    return dtype.construct_array_type()(data, mask.copy())


def _encode_string(values: Any, _: Beside) -> tuple[Any, Spec]:
    import pyarrow as pa

    return pa.array(values, type=pa.large_string()), {"dtype": labels.dump(values.dtype)}


def _decode_string(array: Any, spec: Spec, _: Beside) -> Any:
    return labels.load(spec["dtype"]).__from_arrow__(array)


def _encode_arrow(values: Any, _: Beside) -> tuple[Any, Spec]:
    return values.__arrow_array__(), {}


def _decode_arrow(array: Any, _: Spec, __: Beside) -> Any:
    import pandas as pd

    return pd.arrays.ArrowExtensionArray(array)


def _encode_zoned(values: Any, _: Beside) -> tuple[Any, Spec]:
    import pyarrow as pa

    naive = values.astype("int64").view(f"M8[{values.unit}]")
    try:
        kind = pa.timestamp(values.unit, values.tz)
    except (ValueError, pa.ArrowException):  # a zone of the user's own making
        kind = pa.timestamp(values.unit, "UTC")
    array = pa.array(naive).cast(pa.timestamp(values.unit, "UTC")).cast(kind)
    is_known = portable.is_whole(values.tz)
    if not is_known:
        portable.lose(type(values.tz), "UTC")
    zone = values.tz if is_known else "UTC"
    return array, {"zone": labels.dump(zone), "unit": values.unit}


def _decode_zoned(array: Any, spec: Spec, _: Beside) -> Any:
    import pandas as pd

    dtype = pd.DatetimeTZDtype(spec["unit"], labels.load(spec["zone"]))
    naive = array.to_numpy(zero_copy_only=False)
    return pd.DatetimeIndex(naive).tz_localize("UTC").tz_convert(dtype.tz).array


def _encode_category(values: Any, beside: Beside) -> tuple[Any, Spec]:
    array, spec = encode_codes(values.codes, values.categories, beside)
    return array, {"ordered": bool(values.ordered), **spec}


def _decode_category(array: Any, spec: Spec, beside: Beside) -> Any:
    import pandas as pd

    codes, categories = decode_codes(array, spec, beside)
    return pd.Categorical.from_codes(codes, categories, ordered=spec["ordered"])


def encode_codes(codes: Any, categories: Any, beside: Beside) -> tuple[Any, Spec]:
    """Turn codes (-1 is null) into an Index of categories into a dictionary array."""
    import pyarrow as pa

    categories = _labels(categories)
    array, spec = encode(bare(categories), {})
    if array is None or pa.types.is_dictionary(array.type):
        return None, _put_beside(portable.packed((codes, categories)), beside)
    indices = pa.array(codes, mask=codes < 0)
    spec = {**spec, "label": labels.dump(categories.name), "freq": dump_frequency(categories)}
    return pa.DictionaryArray.from_arrays(indices, array), {"categories": spec}


def _labels(categories: Any) -> Any:
    """Return an Index of what a session can load; different values stay different."""
    import numpy as np

    if categories.dtype != object or categories.nlevels > 1:
        return categories
    values = bare(categories)
    with portable.as_labels():
        own, _ = portable.reduced(values)
    if own is values:
        return categories
    index = index_of(own)
    if not index.is_unique:
        texts = [f"{portable.text_of(value)} ({n})" for n, value in enumerate(values)]
        index = index_of(np.array(texts, dtype=object))
    return index.rename(categories.name)


def decode_codes(array: Any, spec: Spec, beside: Beside) -> tuple[Any, Any]:
    """Reverse `encode_codes`."""
    if "key" in spec:
        codes, categories = _decode_pickle(array, spec, beside)
        return codes, categories
    whole, spec = _whole(array), spec["categories"]
    categories = index_of(decode(whole.dictionary, spec, beside))
    categories.name = labels.load(spec["label"])
    if spec["freq"] is not None:
        categories.freq = labels.load(spec["freq"])
    return whole.indices.fill_null(-1).to_numpy(zero_copy_only=False), categories


def _encode_period(values: Any, _: Beside) -> tuple[Any, Spec]:
    import pyarrow as pa

    array = pa.array(values.astype("int64"), mask=values.isna())
    return array, {"dtype": labels.dump(values.dtype)}


def _decode_period(array: Any, spec: Spec, _: Beside) -> Any:
    import numpy as np
    import pandas as pd

    nat = np.iinfo(np.int64).min
    ordinals = array.fill_null(nat).to_numpy(zero_copy_only=False).copy()
    return pd.arrays.PeriodArray(ordinals, dtype=labels.load(spec["dtype"]))


def _encode_interval(values: Any, beside: Beside) -> tuple[Any, Spec]:
    import pyarrow as pa

    left, spec = encode(bare(values.left), {})
    right, _ = encode(bare(values.right), {})
    if left is None or right is None:
        return _encode_pickle(values, beside)
    array = pa.StructArray.from_arrays([left, right], ["left", "right"])
    return array, {"ends": spec, "closed": values.closed}


def _decode_interval(array: Any, spec: Spec, beside: Beside) -> Any:
    import pandas as pd

    if "key" in spec:
        return _decode_pickle(array, spec, beside)
    whole = _whole(array)
    left, right = (decode(whole.field(i), spec["ends"], beside) for i in range(2))
    return pd.arrays.IntervalArray.from_arrays(left, right, closed=spec["closed"])


# All others


def _encode_pickle(values: Any, beside: Beside) -> tuple[Any, Spec]:
    own, pickled = portable.reduced(values)
    if own is not values:  # of what the values are now, Arrow may have the type
        return encode(own, beside)
    return None, _put_beside(pickled, beside)


def _put_beside(pickled: Any, beside: Beside) -> Spec:
    key = str(len(beside))
    beside[key] = pickled
    return {"key": key}


def _decode_pickle(_: Any, spec: Spec, beside: Beside) -> Any:
    return beside[spec["key"]]


def _whole(array: Any) -> Any:
    """One contiguous array of a chunked one."""
    if not hasattr(array, "chunks"):
        return array
    return array.chunk(0) if array.num_chunks == 1 else array.combine_chunks()


def bare(axis: Any) -> Any:
    """Return the values of a Series or Index: an ndarray for NumPy's dtypes, without a copy."""
    return axis.to_numpy() if _is_numpy(axis.dtype) else axis.array


def dump_frequency(index: Any) -> Any:
    """Return the frequency that an index of times carries beside its values, else None."""
    # A PeriodIndex has one too, but there it is the dtype's.
    if not hasattr(index, "freq") or index.dtype.kind not in "mM":
        return None
    if portable.is_whole(index.freq):
        return labels.dump(index.freq)
    portable.lose(type(index.freq), "nothing")
    return None


def index_of(values: Any) -> Any:
    """Make an Index of exactly these values."""
    import pandas as pd

    # Without a dtype pandas would make strings or dates of objects, and of a list
    # of tuples a MultiIndex.
    return pd.Index(values, dtype=values.dtype, tupleize_cols=False, copy=True)


CODECS = (
    Codec("numpy", _is_plain, _encode_plain, _decode_plain),
    Codec("object", _is_object, _encode_object, _decode_object),
    Codec("raw", _is_raw, _encode_raw, _decode_raw),
    Codec("masked", _is_masked, _encode_masked, _decode_masked),
    Codec("string", _pandas_dtype("StringDtype"), _encode_string, _decode_string),
    Codec("arrow", _pandas_dtype("ArrowDtype"), _encode_arrow, _decode_arrow),
    Codec("zoned", _pandas_dtype("DatetimeTZDtype"), _encode_zoned, _decode_zoned),
    Codec("category", _pandas_dtype("CategoricalDtype"), _encode_category, _decode_category),
    Codec("period", _pandas_dtype("PeriodDtype"), _encode_period, _decode_period),
    Codec("interval", _pandas_dtype("IntervalDtype"), _encode_interval, _decode_interval),
    Codec("pickle", lambda _: True, _encode_pickle, _decode_pickle),
)

_BY_NAME = {codec.name: codec for codec in CODECS}
