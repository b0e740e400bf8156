"""Which frames a question names, without an @."""

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from aoai_magic.attach.named_frames import named_frames

NAMES = {
    "sales": pd.DataFrame({"region": ["N"], "revenue": [1], "costs": [2]}),
    "costs": pd.DataFrame({"month": [1]}),
    "penguins": pl.DataFrame({"species": ["Adelie"]}),
    "table": pa.table({"a": [1]}),
    "query": pl.LazyFrame({"a": [1]}),
    "mean": pd.Series([1, 2]),
    "matrix": np.ones((2, 2)),
    "a": pd.DataFrame({"x": [1]}),
    "_hidden": pd.DataFrame({"x": [1]}),
    "売上": pd.DataFrame({"x": [1]}),
    "number": 3,
}


@pytest.mark.parametrize(
    ("prompt", "wanted"),
    [
        ("Join penguins with sales.", ["penguins", "sales"]),
        ("penguinsの平均は？", ["penguins"]),
        ("売上の平均", ["売上"]),
        ("総売上の平均", []),
        ("What is the mean number of a query of the matrix?", []),
        ("Show the table", ["table"]),
        ("Of Sales, saleswoman, presales and my_sales", []),
        ("sales's rows, sales.csv, `penguins`", ["sales"]),
        ("```\nsales.head()\n```\n@penguins _hidden", []),
        ("the costs", ["costs"]),
    ],
)
def test_names_that_stand_in_the_prompt(prompt, wanted):
    assert named_frames(prompt, NAMES, []) == wanted


def test_a_column_of_what_is_attached_means_the_column():
    assert named_frames("total costs by region, and penguins", NAMES, ["sales"]) == ["penguins"]
