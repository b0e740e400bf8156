"""What the extension is told, through a shell, by the question that it sends."""

import json

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from IPython.core.interactiveshell import InteractiveShell

from aoai_magic.magics import register, unregister


@pytest.fixture
def ask():
    """Give the function that evaluates a question as the front end has it evaluated."""
    shell = InteractiveShell.instance()
    shell.reset()
    register(shell)

    def ask_(question, **variables):
        shell.user_ns.update(variables)
        words = json.dumps(json.dumps(question))
        answer = f'__import__("aoai_magic.frontend", fromlist=["answer"]).answer({words})'
        (reply,) = shell.user_expressions({"answer": answer}).values()
        assert reply["status"] == "ok", reply
        return reply["data"]["application/json"]

    yield ask_
    unregister(shell)
    InteractiveShell.clear_instance()


def test_names_of_variables_that_can_be_attached(ask):
    frame = pd.DataFrame({"a": [1, 2]})
    told = ask({"names": ["sales", "pd", "gone", "_x"]}, sales=frame, pd=pd, _x=frame)
    assert told == {"loaded": True, "names": {"sales": "DataFrame, 2 × 1"}}


@pytest.mark.parametrize(
    ("value", "card"),
    [
        (
            pd.DataFrame({"region": pd.Categorical(["secret"]), "revenue": [1.5]}),
            "x: DataFrame, 1 × 2\nColumns:\n- region: category\n- revenue: float64",
        ),
        (pl.DataFrame({"a": [1]}), "x: DataFrame, 1 × 1\nColumns:\n- a: Int64"),
        (pa.table({"a": [1]}), "x: Table, 1 × 1\nColumns:\n- a: int64"),
        (np.zeros((3, 4)), "x: ndarray, 3 × 4"),
        (len, None),
    ],
)
def test_a_card_shows_the_schema_and_no_value(ask, value, card):
    assert ask({"card": "x"}, x=value) == {"card": card}


def test_code_of_an_earlier_kernel_reads_what_its_prompt_attached(ask):
    cells = [
        "import pandas as pd\na = pd.read_feather('/mnt/data/sales.arrow')",
        "import pandas as pd\nb = pd.read_csv('/mnt/data/budget.csv')\n"
        "b.to_csv('/mnt/data/out.csv')",
    ]
    told = ask({"cells": cells, "items": ["sales", "@in/budget.csv", "@other"]})
    assert told == {
        "cell": "import pandas as pd\n\na = sales\n\n"
        "b = pd.read_csv('in/budget.csv')\nb.to_csv('out.csv')\n"
    }


def test_the_overview_lists_data_threads_and_uploaded_files(ask, monkeypatch, tmp_path):
    monkeypatch.setenv("AOAI_MAGIC_HOME", str(tmp_path))
    monkeypatch.setenv("AOAI_MAGIC_TARGET", "local")
    told = ask({"overview": True}, sales=pd.DataFrame({"a": [1]}))["overview"]
    assert (told["target"], told["turns"], told["tokens"]) == ("local", 0, 0)
    assert told["data"]["sales"] == "DataFrame, 1 × 1"
    assert told["threads"] == told["files"] == []
