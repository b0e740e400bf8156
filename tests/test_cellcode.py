"""The turn's Python as a cell: it runs in the notebook as it is."""

from itertools import pairwise

import pandas as pd
import pytest

from aoai_magic.results.notebook_code import Cell, as_cell
from aoai_magic.turn.view import Input

INPUTS = {
    "sales.arrow": Input("sales", is_variable=True),
    "prices.arrow": Input("prices", is_variable=True, kind="pandas.DataFrame"),
    "stock.arrow": Input("stock", is_variable=True, kind="polars.DataFrame"),
    "notes.csv": Input("data/notes.csv", is_variable=False),
}


@pytest.mark.parametrize(
    ("code", "wanted"),
    [
        ('x = pd.read_feather("/mnt/data/sales.arrow")', "x = sales"),
        ('x = pd.read_csv("/mnt/data/notes.csv")', 'x = pd.read_csv("data/notes.csv")'),
        ("t.to_csv('/mnt/data/out.csv')", "t.to_csv('out.csv')"),
        ('t.to_csv(f"/mnt/data/{n}.csv")', 't.to_csv(f"{n}.csv")'),
        ('os.listdir("/mnt/data")', 'os.listdir(".")'),
        ("# from /mnt/data\ny = 1", "# from /mnt/data\ny = 1"),
        ("!ls /mnt/data/x.csv", "!ls x.csv"),
        # In whatever form a frame was sent, and by whatever name it is read.
        ('p = "/mnt/data/sales.arrow"\nx = pd.read_feather(p)', 'p = "sales.arrow"\nx = sales'),
        ("x = pd.read_csv('/mnt/data/cfile_1a-prices.csv')", "x = prices"),
        ("x = pd.read_feather('prices.arrow', columns=['a'])", "x = prices[['a']]"),
        ("x = pd.read_feather('/mnt/data/stock.arrow')", "x = stock.to_pandas()"),
        ("x = pl.read_ipc('/mnt/data/stock.arrow')", "x = stock"),
        ("x = pl.read_ipc('/mnt/data/prices.arrow')", "x = pl.from_pandas(prices)"),
        ("exec(open('/mnt/data/load_sales.py').read())\nprint(sales)", "print(sales)"),
        ("exec(open('/mnt/data/load_other.py').read())", "exec(open('load_other.py').read())"),
        (
            'd = Path("/mnt/data")\nopen(d / "notes.csv")',
            'd = Path(".")\nopen(d / "data/notes.csv")',
        ),
        (
            "é = [pd.read_csv('prices.csv'), pd.read_csv('prices.csv')\n, pd.read_csv('x.csv')]",
            "é = [prices, prices\n, pd.read_csv('x.csv')]",
        ),
        ("x = pd.read_csv('notes.csv')", "x = pd.read_csv('data/notes.csv')"),
    ],
)
def test_paths_become_the_notebooks_own(code, wanted):
    assert as_cell([Cell(code)], INPUTS).split("\n\n")[-1] == wanted + "\n"


@pytest.mark.parametrize(
    "code",
    [
        "x = 'one\u2028two'\nt = '''\nimport shutil\n'''\nprint(x, t)",
        "# one\x0ctwo\nt = '''\nimport shutil\n'''\nprint(t)",
        "print('__line_0__')",
        "!ls\nprint('__line_0__')",
        "!ls\nprint('__line_1__', '__line__2__')",
    ],
)
def test_what_looks_like_lines_and_marks_is_text(code):
    """Python ends lines at fewer characters than `str.splitlines`, and a text may be anything."""
    assert as_cell([Cell(code)], {}) == code + "\n"


@pytest.mark.parametrize("deep", ["-" * 900 + "1", "+".join(["1"] * 900), "a" + ".b()" * 900])
def test_code_that_is_nested_deeply_comes_as_it_ran(deep):
    made = as_cell([Cell(f"y = f'/mnt/data/{{{deep}}}'"), Cell(f"x = {deep}\nprint(x)")], {})
    assert made.startswith("# The code as it ran")
    assert made.endswith(f"x = {deep}\nprint(x)\n")


def test_the_path_in_a_text_of_texts_of_texts_takes_no_longer():
    """Worked out name by name, this one would take years."""
    names = "abcdefghi"
    codes = [f"{b} = f'{f'{{{a}}}' * 50}'" for a, b in pairwise(names)]
    code = "\n".join(["a = 'x'", *codes, "print(open(i))"])
    assert as_cell([Cell(code)], {}) == code + "\n"


PATHS = [
    "a'b.csv",
    'a"b.csv',
    "a\\b.csv",
    "a\\1.csv",
    "tab\there/é.csv",
    "line\nbreak/x.csv",
    "{x}/%s.csv",
    '"); raise SystemExit("out") #/x.csv',
    "'); raise SystemExit('out') #/x.csv",
    "/mnt/data/real/x.csv",
    "\udcff.csv",
]
LITERALS = [
    "'/mnt/data/x.csv'",
    '"/mnt/data/x.csv"',
    "'x.csv'",
    "r'/mnt/data/x.csv'",
    "'''/mnt/data/x.csv'''",
    "f'/mnt/data/x.csv'",
    "f'{folder}/x.csv'[1:]",
    "f'/mnt/data/{name}.csv'",
    "f'/mnt/data/x.csv{empty}'",
    "b'/mnt/data/x.csv'.decode('utf-8', 'surrogateescape')",
]


@pytest.mark.parametrize("literal", LITERALS)
@pytest.mark.parametrize("path", PATHS)
def test_any_path_is_put_in_as_a_value(path, literal):
    inputs = {"x.csv": Input(path, is_variable=False)}
    cell = as_cell([Cell(f"found = {literal}")], inputs)
    names = {"name": "x", "folder": "/mnt/data", "empty": ""}
    exec(cell, names)
    others = {LITERALS[6]: "mnt/data/x.csv", LITERALS[7]: "x.csv"}
    assert names["found"] == others.get(literal, path)


@pytest.mark.parametrize("path", [*PATHS[:-1], "$HOME/x.csv", "`id`/x.csv", "a b/x.csv"])
def test_lines_for_the_shell_get_no_path_that_means_more_there(path):
    inputs = {"x.csv": Input(path, is_variable=False)}
    code = "!head /mnt/data/x.csv\nopen('/mnt/data/x.csv')\ny = !ls /mnt/data/x.csv"
    kept = "/mnt/data/x.csv" if path != PATHS[9] else path
    assert as_cell([Cell(code)], inputs).count(f" {kept}") == 2
    mixed = as_cell([Cell("!head /mnt/data/x.csv\nfound = '/mnt/data/x.csv'")], inputs)
    first, rest = mixed.split("\n", 1)
    names = {}
    exec(rest, names)
    assert (first, names["found"]) == (f"!head {kept}", path)


def test_only_whole_names_are_replaced():
    inputs = {"x.csv": Input("far/x.csv", is_variable=False)}
    inputs["x.csv.gz"] = Input("other/x.csv.gz", is_variable=False)
    code = "a = ['/mnt/data/x.csv.gz', '/mnt/data/x.csv.bak', '/mnt/database', '/mnt/data/x.csv']"
    wanted = "a = ['other/x.csv.gz', 'x.csv.bak', '/mnt/database', 'far/x.csv']\n"
    assert as_cell([Cell(code)], inputs) == wanted


def test_a_file_is_no_variable_of_the_same_stem():
    inputs = {**INPUTS, "sales.csv": Input("in/sales.csv", is_variable=False)}
    code = "x = pd.read_csv('/mnt/data/sales.csv')\ny = pd.read_feather('sales.arrow')"
    wanted = "x = pd.read_csv('in/sales.csv')\ny = sales\n"
    assert as_cell([Cell(code)], inputs) == f"import pandas as pd\n\n{wanted}"


def test_imports_stand_once_and_comments_stay():
    cells = [
        "# Look\nimport pandas as pd\nx = pd.NA",
        "import pandas as pd\nimport os\n\n# Count\nprint(x, pd.NA)",
    ]
    assert (
        as_cell(map(Cell, cells), {})
        == "import pandas as pd\n\n# Look\nx = pd.NA\n\n# Count\nprint(x, pd.NA)\n"
    )


def test_imports_from_the_future_stand_first():
    cells = [Cell("import os"), Cell("from __future__ import annotations\nx = os.sep")]
    assert as_cell(cells, {}).splitlines()[0] == "from __future__ import annotations"


def test_of_failed_and_earlier_code_only_what_is_needed_comes_along():
    earlier = """
import os
import pandas as pd
totals = sales.groupby("r").sum()
totals["share"] = totals["a"] / totals["a"].sum()
unused = open("/mnt/data/gone.txt").read()
print(totals)"""
    failed = """
parts = []
parts.append(totals)
def joined(frames):
    return pd.concat(frames)
raise KeyError("nothing")"""
    cells = [Cell(earlier, wanted=False), Cell(failed, wanted=False), Cell("out = joined(parts)")]
    assert as_cell(cells, INPUTS).split("\n\n") == [
        "import pandas as pd",
        'totals = sales.groupby("r").sum()\ntotals["share"] = totals["a"] / totals["a"].sum()',
        "parts = []\nparts.append(totals)\ndef joined(frames):\n    return pd.concat(frames)",
        "out = joined(parts)\n",
    ]


def test_the_cell_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    cells = [
        Cell(
            "import pandas as pd\nframe = pd.read_feather('/mnt/data/prices.arrow')\nframe.x", False
        ),
        Cell("import pandas as pd\nframe['b'] = 2 * frame['a']\ntotals = frame.sum()"),
        Cell("import pandas as pd\ntotals.to_csv('/mnt/data/totals.csv')"),
    ]
    prices = pd.DataFrame({"a": [1, 2]})
    exec(as_cell(cells, INPUTS), {"prices": prices})
    assert (tmp_path / "totals.csv").read_text().endswith("a,3\nb,6\n")
    assert list(prices) == ["a"]


@pytest.mark.parametrize(
    ("code", "note"),
    [
        ("x = = 1", "# The code as it ran in the sandbox; it could not be adapted"),
        ("print(open('/mnt/data/a\\nb.txt').read())", "# 'a\\nb.txt' exists in the assistant's"),
        (
            "open('/mnt/data/notes.csv', 'w').write('')",
            "# This replaces your file 'data/notes.csv'.",
        ),
        (
            "import os\nn = len(os.listdir('/mnt/data'))\nprint(n + 1)",
            "# This lists the notebook's",
        ),
        (
            "x = pd.read_csv('prices.csv', skiprows=2)",
            "# prices stands for its file, which was read",
        ),
        ("print(total)", "# Not defined here, but in an earlier session: total"),
        ("sales['x'] = 1", "# This changes sales: run it once."),
    ],
)
def test_what_cannot_be_carried_over_is_said_at_the_top(code, note):
    assert as_cell([Cell(code)], INPUTS).splitlines()[0].startswith(note)


def test_a_failed_block_is_said_and_left_out():
    cells = [
        Cell("n = 0\nfor x in [1, 'a']:\n    n += x", wanted=False, failed_at=3),
        Cell("print(n)"),
    ]
    note, code = as_cell(cells, {}).split("\n\n", 1)
    assert note == "# A step failed; what it had done by then may differ here."
    assert code == "n = 0\n\nprint(n)\n"
