"""Parts that only the notebook knows are replaced and named; everything else stays."""

from __future__ import annotations

import collections
import contextlib
import dataclasses
import datetime as dt
import enum
import functools
import json
import subprocess
import sys
import threading

import numpy as np
import pandas as pd
import polars as pl
import pytest
import pytz
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aoai_magic import frame_codec
from aoai_magic.frame_codec import Loss


class Kind(enum.Enum):
    A = "a"
    B = "b"


@dataclasses.dataclass(frozen=True)
class Point:
    x: int
    kind: object = None


class Own:
    def __repr__(self):
        return "own"


class Rude:
    def __str__(self):
        raise RuntimeError

    def __reduce__(self):
        raise RuntimeError


class Text(str):
    __slots__ = ()


Pair = collections.namedtuple("Pair", "left right")


class Measured(pd.DataFrame):
    _metadata = ("unit",)

    @property
    def _constructor(self):
        return Measured


class Zone(dt.tzinfo):
    def utcoffset(self, _):
        return dt.timedelta(hours=3)

    def dst(self, _):
        return dt.timedelta(0)

    def tzname(self, _):
        return "Zone"


class Steps(np.ndarray):
    pass


READ = """
import sys
from pathlib import Path
from aoai_magic import frame_codec
value = frame_codec.unpack(Path(sys.argv[1]))
print(eval(sys.argv[2]))
"""


@pytest.fixture
def elsewhere(tmp_path):
    """Evaluate an expression of a value in a process that knows nothing of this one."""

    def elsewhere(value, expression):
        contents = frame_codec.contents(value, for_session=True)
        path = frame_codec.pack(contents, "value", tmp_path)
        command = [sys.executable, "-I", "-c", READ, str(path), expression]
        printed = subprocess.run(command, capture_output=True, text=True, timeout=60)
        assert not printed.returncode, printed.stderr
        return printed.stdout.strip(), [dataclasses.astuple(loss) for loss in contents.losses]

    return elsewhere


def objects(*values):
    array = np.empty(len(values), dtype=object)
    array[:] = list(values)
    return array


CELLS = [
    (Kind.A, "'a'", "value"),
    (Point(1, [Kind.B]), "{'x': 1, 'kind': ['b']}", "dict"),
    (Pair(1, 2), "(1, 2)", "tuple"),
    (Own(), "'own'", "text"),
    (Text("t"), "'t'", "str"),
    (Rude(), "'<Rude>'", "text"),
    (Own, f"{str(Own)!r}", "text"),
]


@pytest.mark.parametrize(("cell", "there", "form"), CELLS)
def test_a_cell_of_the_notebooks_class(elsewhere, cell, there, form):
    frame = pd.DataFrame({"n": [1, 2], "o": objects(cell, 5)})
    printed, losses = elsewhere(frame, "int(value.n.sum()), value.o[0], value.o[1]")
    assert printed == f"(3, {there}, 5)"
    assert ("o", type(cell).__name__, form) in losses


@pytest.mark.parametrize(
    "cell",
    [
        threading.Lock(),
        (n for n in ()),
        functools.partial(lambda: 0),
        open,
        lambda: 0,
        collections.defaultdict(lambda: 0),
        sys,
    ],
)
def test_a_cell_that_nobody_can_pickle_is_text(elsewhere, cell):
    printed, losses = elsewhere(pd.Series(objects(cell, Kind.A)), "type(value[0]), value[1]")
    if cell is open:
        assert printed == "(<class 'builtin_function_or_method'>, 'a')"
    else:
        assert printed == "(<class 'str'>, 'a')"
        assert any(form == "text" for _, _, form in losses)


def test_attrs_lose_what_is_only_text_and_keep_the_rest(elsewhere):
    frame = pd.DataFrame({"a": [1, 2]})
    frame.attrs = {"schema": lambda x: x, "unit": Kind.A, "own": Own(), "ok": [1], Kind.B: 2}
    printed, losses = elsewhere(frame, "value.attrs, int(value.a.sum())")
    assert printed == "({'unit': 'a', 'ok': [1], 'b': 2}, 3)"
    assert losses == [
        ("attrs['schema']", "function", "nothing"),
        ("attrs['unit']", "Kind", "value"),
        ("attrs['own']", "Own", "nothing"),
        (f"attrs[{Kind.B!r}]", "Kind", "value"),
    ]


def test_a_subclass_is_a_plain_frame(elsewhere):
    frame = Measured({"a": [1, 2]})
    frame.unit = "m"
    printed, losses = elsewhere(frame, "type(value).__module__, int(value.a.sum())")
    assert printed.endswith(", 3)")
    assert printed.startswith("('pandas")
    assert losses == [("", "Measured", "DataFrame")]


WHERE = {
    "columns": pd.DataFrame([[1, 2, 3]], columns=objects(Kind.A, Point(1), Own())),
    "index": pd.DataFrame({"a": [1, 2, 3]}, index=pd.Index(objects(Kind.A, Point(1), Own()))),
    "names": pd.DataFrame({"a": [1]}, index=pd.Index([5], name=Kind.A)),
    "levels": pd.DataFrame({"a": [1]}, index=pd.MultiIndex.from_tuples([(Kind.A, Point(2))])),
    "categories": pd.DataFrame({"a": pd.Categorical([Kind.A, Kind.B, Kind.A])}),
    "points": pd.DataFrame({"a": pd.Categorical([Point(1), Point(2), Point(1)])}),
    "zone": pd.DataFrame({"a": pd.to_datetime(["2026-01-01"]).tz_localize(Zone())}),
    "array": np.arange(3).view(Steps),
    "objects": objects(Kind.A, [Own()]),
    "masked": np.ma.masked_array(objects(Kind.A, 1), [0, 1]),
    "polars": pl.DataFrame({"a": pl.Series([Own(), Point(1)], dtype=pl.Object)}),
}
THERE = {
    "columns": ("list(value.columns)", "['a', 'Point(x=1, kind=None)', 'own']"),
    "index": ("list(value.index)", "['a', 'Point(x=1, kind=None)', 'own']"),
    "names": ("value.index.name", "a"),
    "levels": ("list(value.index)", "[('a', 'Point(x=2, kind=None)')]"),
    "categories": ("list(value.a.cat.categories), list(value.a)", "(['a', 'b'], ['a', 'b', 'a'])"),
    "points": ("value.a.cat.codes.tolist()", "[0, 1, 0]"),
    "zone": ("str(value.a[0])", "2025-12-31 21:00:00+00:00"),
    "array": ("type(value).__name__, int(value.sum())", "('ndarray', 3)"),
    "objects": ("value.tolist()", "['a', ['own']]"),
    "masked": ("value[0], value.mask.tolist()", "('a', [False, True])"),
    "polars": ("value['a'].to_list()", "['own', {'x': 1, 'kind': None}]"),
}


@pytest.mark.parametrize("where", WHERE)
def test_the_notebooks_classes_anywhere_in_a_value(elsewhere, where):
    expression, there = THERE[where]
    printed, losses = elsewhere(WHERE[where], expression)
    assert printed == there
    assert losses


def test_different_categories_stay_different(elsewhere):
    class Same:
        def __repr__(self):
            return "same"

    one, two = Same(), Same()
    frame = pd.DataFrame({"a": pd.Categorical([one, two, one])})
    printed, _ = elsewhere(frame, "value.a.cat.codes.tolist(), value.a.nunique()")
    assert printed == "([0, 1, 0], 2)"


def test_nothing_is_lost_where_everything_is_known(elsewhere):
    frame = pd.DataFrame(
        {
            "o": objects({"a": (1, None)}, dt.date(2026, 1, 1), np.float64(1.5), pd.Timestamp(0)),
            "f": objects(np.mean, len, json.dumps, dt.timezone.utc),
        }
    )
    frame.attrs = {"n": [1, {"x": dt.date(2026, 1, 1)}], "function": np.mean}
    printed, losses = elsewhere(frame, "value.o[3], value.f[0].__name__, len(value.attrs)")
    assert (printed, losses) == ("(Timestamp('1970-01-01 00:00:00'), 'mean', 2)", [])


def test_a_zone_of_pytz_stays_as_pandas_2_has_them_all(elsewhere):
    zone = pytz.timezone("Europe/Berlin")
    frame = pd.DataFrame({"day": pd.date_range("2026-07-01", periods=2, tz=zone)})
    printed, losses = elsewhere(frame, "str(value.day[0]), str(value.day.dt.tz)")
    assert (printed, losses) == ("('2026-07-01 00:00:00+02:00', 'Europe/Berlin')", [])


ANY = st.recursive(
    st.none()
    | st.integers(-5, 5)
    | st.text(max_size=2)
    | st.sampled_from(Kind)
    | st.builds(Own)
    | st.builds(Rude)
    | st.sampled_from([Own, len, Text("t")]),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(st.text(max_size=2) | st.sampled_from(Kind), inner, max_size=2)
        | st.builds(Point, st.integers(0, 3), inner)
        | st.builds(Pair, inner, inner)
    ),
    max_leaves=4,
)


@pytest.fixture(scope="module")
def stranger():
    """A process that loads values and says of each what it is."""
    code = (
        "import sys\nfrom pathlib import Path\nfrom aoai_magic import frame_codec\n"
        "for line in sys.stdin:\n"
        "    value = frame_codec.unpack(Path(line.strip()))\n"
        "    print(value.iloc[:, 0].tolist(), flush=True)\n"
    )
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen([sys.executable, "-I", "-c", code], **pipes) as process:
        yield process
        process.stdin.close()


@settings(
    max_examples=80,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    cells=st.lists(ANY, min_size=1, max_size=4),
    label=ANY,
    attrs=st.dictionaries(ANY.filter(lambda key: isinstance(key, (str, Kind))), ANY, max_size=2),
)
def test_any_frame_arrives_with_all_its_rows(stranger, tmp_path, cells, label, attrs):
    frame = pd.DataFrame({"n": range(len(cells)), "o": objects(*cells), "x": 1})
    frame.attrs = attrs
    with contextlib.suppress(TypeError):  # no label, since it cannot be hashed
        hash(label)
        frame.columns = pd.Index(objects("n", "o", label), tupleize_cols=False)
    contents = frame_codec.contents(frame, for_session=True)
    path = frame_codec.pack(contents, "value", tmp_path)
    stranger.stdin.write(f"{path}\n")
    stranger.stdin.flush()
    assert stranger.stdout.readline() == f"{list(range(len(cells)))}\n"
    assert all(isinstance(loss, Loss) for loss in contents.losses)
