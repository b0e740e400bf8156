"""Dicts and lists of frames: each frame is a variable of its own."""

import numpy as np
import pandas as pd
import polars as pl
import pytest

from aoai_magic import frame_codec
from aoai_magic.attach.resolve import attachable, describe, resolve
from aoai_magic.errors import AttachError
from aoai_magic.runner.kernel_state import Assistant
from aoai_magic.runner.options import Options

ONE, TWO = pd.DataFrame({"a": [1, 2]}), pd.DataFrame({"b": ["x"]})


@pytest.fixture
def attach(tmp_path):
    def call(value, prompt="", **others):
        names = {"tables": value, **others}
        items = [] if prompt else ["tables"]
        return resolve(items, prompt, names, tmp_path, folder=tmp_path / "packed")

    return call


@pytest.mark.parametrize(
    ("value", "names", "expressions"),
    [
        (
            {"sales": ONE, "2024 Q1": TWO},
            ["tables_sales", "tables_2024_Q1"],
            ["tables['sales']", "tables['2024 Q1']"],
        ),
        ([ONE, TWO], ["tables_0", "tables_1"], ["tables[0]", "tables[1]"]),
        ({"a b": ONE, "a_b": TWO}, ["tables_a_b", "tables_a_b_2"], None),
        (
            {"x": {"y": ONE}, "z": [TWO]},
            ["tables_x_y", "tables_z_0"],
            ["tables['x']['y']", "tables['z'][0]"],
        ),
        ({pd.Timestamp("2024"): ONE}, None, ["list(tables.values())[0]"]),
        (
            {"売上": pl.DataFrame({"a": [1]}), "\ufb01": np.ones(2)},
            ["tables_売上", "tables_fi"],
            None,
        ),
    ],
    ids=["dict", "list", "twins", "nested", "odd keys", "libraries"],
)
def test_each_frame_is_a_variable(attach, value, names, expressions):
    items = attach(value)

    assert names is None or [item.name for item in items] == names
    assert expressions is None or [item.expression for item in items] == expressions
    for item in items:
        assert item.name.isidentifier()
        there = frame_codec.unpack(item.path)
        here = eval(item.expression, {"tables": value})
        assert type(there) is type(here)
        assert repr(there) == repr(here)
        assert item.card.startswith(f"`{item.name}` is {item.expression} of the user's notebook.")


def test_a_name_that_the_notebook_has_is_left_alone(attach):
    [item] = attach({"a": ONE}, tables_a=TWO)

    assert item.name == "tables_a_2"


def test_a_mention_attaches_them_too(attach):
    items = attach({"a": ONE, "b": TWO}, "Compare @tables.")

    assert [item.filename for item in items] == ["tables_a.arrow", "tables_b.arrow"]


def test_only_what_holds_nothing_else_is_taken_apart(attach):
    assert attachable({"a": ONE, "b": TWO}) == "dict, 2 frames"
    assert attachable([1, ONE]) == "list, length 2"
    assert attachable([np.ones(2), np.ones(3)]) == "list, length 2"
    [numbers] = attach([np.ones(2)])
    assert numbers.filename == "tables.json"
    with pytest.raises(AttachError, match="attach its parts"):
        attach({"a": ONE, "b": 1})[0].path.read_text()


def test_a_list_that_holds_itself_is_no_list_of_frames(attach):
    knot = []
    knot.append(knot)

    assert attachable(knot) == "list, length 1"


def test_too_many_are_refused_with_what_to_do(attach):
    with pytest.raises(AttachError, match=r"more than 100 frames; join them, e\.g\. with pd\.con"):
        attach([ONE] * 101)


def test_one_that_changed_is_the_only_other_one(attach):
    before = attach({"a": ONE, "b": TWO})
    after = attach({"a": ONE, "b": TWO.assign(c=1)})

    assert [x.sha256 == y.sha256 for x, y in zip(before, after, strict=True)] == [True, False]


def test_a_dry_run_describes_each(tmp_path):
    told = describe(["tables"], "", {"tables": [ONE, TWO]}, tmp_path)

    assert [(item.name, item.rows, item.columns) for item in told] == [
        ("tables_0", 2, 1),
        ("tables_1", 1, 1),
    ]


SCRIPT = """
turns:
  - when: "."
    replies:
      - code: |
          both = tables_a["n"].sum() + tables_b["n"].sum()
          print(both)
      - text: "Done."
"""


async def test_the_turns_code_runs_in_the_notebook(engine, script, monkeypatch):
    monkeypatch.setenv("AOAI_MAGIC_TARGET", engine.url)
    monkeypatch.setenv("AOAI_MAGIC_TOKEN", engine.token)
    monkeypatch.setenv("AOAI_MAGIC_DISPLAY", "quiet")
    tables = {"a": pd.DataFrame({"n": [1]}), "b": pd.DataFrame({"n": [2]})}
    options = Options(items=("tables",), model=script(SCRIPT))
    turn = await Assistant({"tables": tables}).ask("Sum?", options)
    cell = turn.view.cell
    names = {"tables": tables}
    exec(cell, names)

    assert turn.logs == "3"
    assert cell.startswith("tables_a = tables['a']\ntables_b = tables['b']\n")
    assert names["both"] == 3


@pytest.fixture
def resolved(tmp_path):
    def call(*items, **names):
        return resolve(items, "", names, tmp_path, folder=tmp_path / "packed")

    return call


def test_members_of_two_variables_never_share_a_name(resolved):
    found = resolved("a", "a_b", "a", a={"b_c": ONE}, a_b={"c": TWO})

    assert [(item.name, item.expression) for item in found] == [
        ("a_b_c", "a['b_c']"),
        ("a_b_c_2", "a_b['c']"),
    ]
    assert [list(frame_codec.unpack(item.path)) for item in found] == [["a"], ["b"]]
    assert [frame_codec.peek(item.path).name for item in found] == ["a_b_c", "a_b_c_2"]


@pytest.mark.parametrize(
    ("name", "own"), [("class", "class_"), ("my-df", "my_df_"), ("2x", "_2x"), ("None", "None_")]
)
def test_a_name_that_code_cannot_use_becomes_one_that_it_can(resolved, name, own):
    [found] = resolved(name, **{name: ONE})

    assert (found.name, found.expression) == (own, f"globals()[{name!r}]")
    assert f"`{own}` is globals()[{name!r}] of the user's notebook." in found.card
    [member] = resolved(name, **{name: [ONE]})
    assert (member.name, member.expression) == (f"{own}_0", f"globals()[{name!r}][0]")
