"""Pickles that a session can load: what only the notebook knows is replaced, and named.

A session imports what is installed, and nothing of the notebook: neither its classes and
functions nor the modules beside it. An instance of such a class travels as the nearest
thing that needs no import: an Enum as its value, a dataclass as a dict, a subclass as what
it is a subclass of, anything else as its text. Each replacement is a `Loss`.
"""

from __future__ import annotations

import contextlib
import copyreg
import dataclasses
import decimal
import enum
import io
import operator
import pickle
import sys
import types
from collections.abc import Callable, Iterable, Iterator
from contextvars import ContextVar
from functools import lru_cache
from pathlib import Path
from typing import Any

_LONGEST_TEXT = 10_000
_INSTALLED = frozenset({"site-packages", "dist-packages"})


@dataclasses.dataclass(frozen=True)
class Loss:
    """What could not travel as it is.

    Attributes
    ----------
    part
        Where it was: a column's label, ``index``, ``attrs['unit']``; empty for the whole.
    kind
        Name of its class.
    form
        As what it went: ``value``, ``dict``, ``text``, ``nothing``, ``UTC``, or the name of
        a class for a plain one of that.
    """

    part: str
    kind: str
    form: str


@dataclasses.dataclass
class _Collecting:
    losses: dict[Loss, None]
    part: str = ""
    hashable: bool = False


_COLLECTING: ContextVar[_Collecting | None] = ContextVar("_COLLECTING", default=None)


class Pickled:
    """A value that was pickled already, and is itself again when what holds it is unpickled."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def __reduce__(self) -> tuple[Any, ...]:
        return pickle.loads, (self._data,)


@contextlib.contextmanager
def collecting() -> Iterator[dict[Loss, None]]:
    """Replace what a session cannot load while this lasts; the losses are found in the dict."""
    losses: dict[Loss, None] = {}
    with _set(_Collecting(losses)):
        yield losses


@contextlib.contextmanager
def part(name: str, *, hashable: bool = False) -> Iterator[None]:
    """Name the part of the value to which losses belong while this lasts.

    What is ``hashable`` stays so, as labels and categories have to.
    """
    here = _COLLECTING.get()
    if here is None:
        yield
    else:
        with _set(_Collecting(here.losses, name, hashable)):
            yield


@contextlib.contextmanager
def as_labels() -> Iterator[None]:
    """Keep what is replaced in the current part hashable while this lasts."""
    here = _COLLECTING.get()
    with part(here.part if here else "", hashable=True):
        yield


@contextlib.contextmanager
def _set(here: _Collecting) -> Iterator[None]:
    token = _COLLECTING.set(here)
    try:
        yield
    finally:
        _COLLECTING.reset(token)


def lose(kind: type, form: str) -> None:
    """Record a loss in the current part."""
    if (here := _COLLECTING.get()) is not None:
        here.losses[Loss(here.part, kind.__name__, form)] = None


def note(losses: Iterable[Loss]) -> None:
    """Record losses that `reduce_one` found."""
    if (here := _COLLECTING.get()) is not None:
        here.losses.update(dict.fromkeys(losses))


def dumps(value: Any) -> bytes:
    """Pickle a value, so that a session can load it where losses are collected.

    Raises
    ------
    ValueError
        What is left of the value once parts of it are replaced cannot be loaded.
    """
    here = _COLLECTING.get()
    if here is None:
        return pickle.dumps(value, protocol=5)
    try:
        data, found = _replacing(value, here, probing=False)
    except Exception:  # something in it refuses to be pickled, by whatever error of its own
        data, found = _replacing(value, here, probing=True)
    if found:
        try:
            pickle.loads(data)  # noqa: S301 - our own pickle of a moment ago
        except Exception as error:
            raise ValueError(f"a {type(value).__name__} cannot be rebuilt: {error}") from error
    here.losses.update(dict.fromkeys(found))
    return data


def packed(value: Any) -> Any:
    """Return what is to be pickled for a value of any kind."""
    return value if _COLLECTING.get() is None else Pickled(dumps(value))


def reduced(values: Any) -> tuple[Any, Any]:
    """Return values in one dimension as a session gets them, and what is to be pickled for them.

    Where nothing is lost they are the very same; else an array of objects in which what still
    cannot be loaded is its text.
    """
    here = _COLLECTING.get()
    if here is None:
        return values, values
    inner = _Collecting({}, here.part, here.hashable)
    with _set(inner):
        data = _dump_cells(values)
    here.losses.update(inner.losses)
    return (pickle.loads(data) if inner.losses else values), Pickled(data)  # noqa: S301


def reduce_one(value: Any) -> tuple[Any, list[Loss]]:
    """Return a value as a session gets it, and what is lost by that, which is not noted.

    Raises
    ------
    Exception
        The value cannot travel at all.
    """
    here = _COLLECTING.get() or _Collecting({})
    inner = _Collecting({}, here.part, here.hashable)
    with _set(inner):
        data = dumps(value)
    return (pickle.loads(data) if inner.losses else value), list(inner.losses)  # noqa: S301


def is_whole(value: Any) -> bool:
    """Return whether a session gets the value as it is."""
    if _COLLECTING.get() is None:
        return True
    try:
        return not reduce_one(value)[1]
    except Exception:
        return False


def _dump_cells(values: Any) -> bytes:
    here = _COLLECTING.get()
    try:
        data = dumps(values)
    except Exception:  # one cell or another cannot be rebuilt: each is tried for itself
        return pickle.dumps(_cells(values), protocol=5)
    if here and here.hashable and here.losses and not _is_hashable(data):
        return pickle.dumps(_cells(values), protocol=5)
    return data


def _is_hashable(data: bytes) -> bool:
    try:
        return all(isinstance(hash(value), int) for value in pickle.loads(data))  # noqa: S301
    except TypeError:
        return False


def _cells(values: Any) -> Any:
    """Return the values as an array of objects, of which each can be loaded."""
    import numpy as np

    here = _COLLECTING.get()
    cells = np.empty(len(values), dtype=object)
    for place, value in enumerate(values):
        try:
            cells[place] = pickle.loads(dumps(value))  # noqa: S301 - our own pickle
            if here and here.hashable:
                hash(cells[place])
        except Exception:
            lose(type(value), "text")
            cells[place] = text_of(value)
    return cells


def replaced(obj: Any) -> Any:
    """Return what stands for an object of a class that only this process knows."""
    try:
        form, plain = _replacement(obj)
    except Exception:  # of the notebook's class, or there is nothing but a text
        lose(type(obj), "text")
        return text_of(obj)
    lose(type(obj), form or type(plain).__name__)
    return plain


def is_collecting() -> bool:
    """Return whether what a session cannot load is replaced."""
    return _COLLECTING.get() is not None


def base_of(kind: type) -> type:
    """Return the nearest class above, or the class itself, that a session can import."""
    if _COLLECTING.get() is None:
        return kind
    return next(base for base in kind.__mro__ if _is_reachable(base))


def text_of(value: object) -> str:
    """Return the text of any object, of bounded length."""
    try:
        return str(value)[:_LONGEST_TEXT]
    except Exception:
        return f"<{type(value).__name__}>"


def _replacing(value: Any, here: _Collecting, *, probing: bool) -> tuple[bytes, dict[Loss, None]]:
    out = io.BytesIO()
    pickler = _Pickler(out, here, probing=probing)
    pickler.dump(value)
    return out.getvalue(), pickler.found


class _Pickler(pickle.Pickler):
    """Replaces what cannot be imported; with ``probing`` also what cannot be pickled."""

    def __init__(self, out: io.BytesIO, here: _Collecting, *, probing: bool) -> None:
        super().__init__(out, protocol=5)
        self.found: dict[Loss, None] = {}
        self._here = here
        self._probing = probing
        self._known: dict[type, bool] = {}

    def reducer_override(self, obj: Any) -> Any:
        """Reduce an object; Python asks for all but those of the builtin types."""
        if isinstance(obj, (type, types.FunctionType)):
            return NotImplemented if _is_reachable(obj) else self._as_text(obj)
        kind = type(obj)
        if kind not in self._known:
            known = kind.__module__ == "builtins" or _is_reachable(kind) or _is_rebuilt(obj)
            self._known[kind] = known
        # Functions of extension modules are of types that have no name anywhere.
        if not self._known[kind] and not (hasattr(obj, "__qualname__") and _is_reachable(obj)):
            return self._replaced(obj)
        return self._probed(obj) if self._probing else NotImplemented

    def _probed(self, obj: Any) -> Any:
        try:
            reduce = copyreg.dispatch_table.get(type(obj))
            return reduce(obj) if reduce else obj.__reduce_ex__(5)
        except Exception:
            return self._as_text(obj)

    def _replaced(self, obj: Any) -> Any:
        try:
            form, plain = _replacement(obj)
        except Exception:  # of the notebook's class
            return self._as_text(obj)
        if self._here.hashable and isinstance(plain, _UNHASHABLE):
            return self._as_text(obj)
        self._find(obj, form or type(plain).__name__)
        return operator.getitem, ((plain,), 0)

    def _as_text(self, obj: Any) -> Any:
        self._find(obj, "text")
        return str, (text_of(obj),)

    def _find(self, obj: Any, form: str) -> None:
        self.found[Loss(self._here.part, type(obj).__name__, form)] = None


def _replacement(obj: Any) -> tuple[str, Any]:
    """Return what an instance of the notebook's class travels as: its form, and that.

    Raises
    ------
    LookupError
        Nothing but its text.
    """
    for matches, convert, form in _REPLACEMENTS:
        if matches(obj):
            plain = convert(obj)
            if type(plain) is not type(obj):
                return form, plain
    raise LookupError(type(obj).__name__)


def _is_reachable(obj: Any) -> bool:
    """Return whether a session can import a class or function under its name."""
    module, name = getattr(obj, "__module__", None), obj.__qualname__
    if not isinstance(module, str) or not _is_installed(module):
        return False
    found: Any = sys.modules.get(module)
    for step in name.split("."):
        found = getattr(found, step, None)
    return found is obj


def _is_rebuilt(obj: Any) -> bool:
    """Return whether a package rebuilds an object of a nameless class by what it can import.

    So do pytz, whose zones pandas 2 uses, and NumPy before 1.25 for its dtypes.
    """
    try:
        maker = obj.__reduce_ex__(5)[0] if _is_installed(type(obj).__module__) else None
        return maker is not None and maker.__module__ != "copyreg" and _is_reachable(maker)
    except Exception:  # it refuses to be pickled, by whatever error of its own
        return False


@lru_cache(maxsize=1024)
def _is_installed(module: str) -> bool:
    """Return whether a module is Python's own or of an installed package."""
    top = module.partition(".")[0]
    if top in sys.stdlib_module_names or top == __name__.partition(".")[0]:
        return True
    file = getattr(sys.modules.get(module), "__file__", None)
    file = file or getattr(sys.modules.get(top), "__file__", None)
    return isinstance(file, str) and not _INSTALLED.isdisjoint(Path(file).parts)


def _fields(obj: Any) -> dict[str, Any]:
    """Return the fields of an instance of a dataclass, an attrs class or a pydantic model."""
    kind = type(obj)
    if dataclasses.is_dataclass(kind):
        names = [field.name for field in dataclasses.fields(kind)]
    elif hasattr(kind, "__attrs_attrs__"):
        names = [field.name for field in kind.__attrs_attrs__]
    else:
        names = list(kind.model_fields)
    return {name: getattr(obj, name) for name in names}


def _has_fields(obj: Any) -> bool:
    kind = type(obj)
    own = ("__dataclass_fields__", "__attrs_attrs__", "model_fields")
    return any(hasattr(kind, name) for name in own)


def _kind(module: str, name: str) -> Callable[[Any], bool]:
    """Return whether a value is of that class, which is looked for but never imported."""

    def matches(value: Any) -> bool:
        kind = getattr(sys.modules.get(module), name, None)
        return isinstance(kind, type) and isinstance(value, kind)

    return matches


def _plain(value: Any) -> Any:
    """Return a value of a subclass as one of the nearest class that can be imported."""
    return _base(value)(value)


def _base(value: Any) -> type:
    return next(base for base in type(value).__mro__ if _is_reachable(base))


_UNHASHABLE = (dict, list, set, bytearray)


def _objects(values: Any) -> Any:
    import numpy as np

    cells = np.empty(len(values), dtype=object)
    cells[:] = list(values)
    return cells


_REPLACEMENTS: tuple[tuple[Callable[[Any], bool], Callable[[Any], Any], str], ...] = (
    (lambda v: isinstance(v, enum.Enum), lambda v: v.value, "value"),
    (_has_fields, _fields, "dict"),
    (_kind("pandas", "DataFrame"), _plain, ""),
    (_kind("pandas", "Series"), _plain, ""),
    (_kind("pandas", "Index"), _plain, ""),
    (_kind("pandas.api.extensions", "ExtensionArray"), _objects, ""),
    (_kind("numpy", "ndarray"), lambda v: v.view(_base(v)), ""),
    (lambda v: isinstance(v, str), str.__str__, ""),
    (lambda v: isinstance(v, bytes), lambda v: bytes.__getitem__(v, slice(None)), ""),
    (lambda v: isinstance(v, int), int.__int__, ""),
    (lambda v: isinstance(v, float), float.__float__, ""),
    (lambda v: isinstance(v, dict), lambda v: dict(dict.items(v)), ""),
    (lambda v: isinstance(v, list), lambda v: list(list.__iter__(v)), ""),
    (lambda v: isinstance(v, tuple), lambda v: tuple(tuple.__iter__(v)), ""),
    (lambda v: isinstance(v, set), lambda v: set(set.__iter__(v)), ""),
    (lambda v: isinstance(v, frozenset), lambda v: frozenset(frozenset.__iter__(v)), ""),
    (lambda v: isinstance(v, decimal.Decimal), decimal.Decimal, ""),
)
