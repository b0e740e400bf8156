"""Paths below /mnt/data in code become those of the folder."""

from __future__ import annotations

import ast

import pytest

from aoai_magic.sandbox.child.path_rewrite import FolderPaths


def rewritten(code: str, mode: str = "eval") -> ast.AST:
    return FolderPaths({"/mnt/data": "/real/it's\\1", "/tmp": "/t"}).visit(
        ast.parse(code, mode=mode)
    )


@pytest.mark.parametrize(
    ("code", "value"),
    [
        ("'/mnt/data'", "/real/it's\\1"),
        ("'/mnt/data/a.csv'", "/real/it's\\1/a.csv"),
        ("'cat /mnt/data/a.csv > /mnt/data/b'", "cat /real/it's\\1/a.csv > /real/it's\\1/b"),
        ("f'/mnt/data/{1}.csv'", "/real/it's\\1/1.csv"),
        ("f'{\"/mnt/data\"}/x'", "/real/it's\\1/x"),
        ("b'/mnt/data/\\xff'", b"/real/it's\\1/\xff"),
        ("'/tmp/x'", "/t/x"),
        ("'/mnt/database'", "/mnt/database"),
        ("'/mnt/data-old/x'", "/mnt/data-old/x"),
        ("'x/mnt/data'", "x/mnt/data"),
        ("'/other/mnt/data'", "/other/mnt/data"),
    ],
)
def test_paths_are_replaced_where_they_are_whole(code, value):
    assert eval(compile(rewritten(code), "", "eval")) == value


def test_other_code_is_left_alone():
    code = "x = {'a': 1, 2: b'y'}\nprint(x, None, 1.5)"
    assert ast.dump(rewritten(code, "exec")) == ast.dump(ast.parse(code))
