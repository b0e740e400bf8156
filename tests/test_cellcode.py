"""The turn's Python as a cell: it runs in the notebook as it is."""

import pandas as pd
import pytest

from aoai_magic.cellcode import Input, as_cell

INPUTS = {
    "sales.arrow": Input("sales", is_variable=True),
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
    ],
)
def test_paths_become_the_notebooks_own(code, wanted):
    assert as_cell([code], INPUTS) == wanted + "\n"


def test_imports_stand_once_and_comments_stay():
    cells = [
        "# Look\nimport pandas as pd\nx = 1",
        "import pandas as pd\nimport os\n\n# Count\ny = x",
    ]
    assert (
        as_cell(cells, {}) == "import pandas as pd\nimport os\n\n# Look\nx = 1\n\n# Count\ny = x\n"
    )


def test_the_cell_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code = as_cell(
        [
            "import pandas as pd\ntotals = pd.read_feather('/mnt/data/sales.arrow').sum()",
            "import pandas as pd\ntotals.to_csv('/mnt/data/totals.csv')",
        ],
        INPUTS,
    )
    exec(code, {"sales": pd.DataFrame({"a": [1, 2]})})
    assert (tmp_path / "totals.csv").read_text().endswith("a,3\n")
