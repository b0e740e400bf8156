"""Questions with the one document each that answers them, for `search.py`.

English are the first lines of NumPy's and pandas' docstrings, to be found in what follows
them; code are functions of Python's standard library, to be found by the first line of their
docstring. Japanese and Chinese are `retrieval.csv`, of our own, among the messages of
JupyterLab's language packs. Nothing is fetched.
"""

import ast
import csv
import gettext
import inspect
import random
import sysconfig
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace

QUESTIONS, DOCUMENTS = 150, 2_000
"""The most of each set."""


def sets():
    """Return the sets: names to questions, documents, and which document answers which."""
    made = {"English": english(), "code": code()}
    for name, column, package in (("Japanese", "ja", "ja_JP"), ("Chinese", "zh", "zh_TW")):
        made[name] = of_messages(column, package)
    return made


def made_of(pairs, others=()):
    """Make a set of pairs of questions and answers, and of other documents."""
    documents = [*(answer for _, answer in pairs), *others][:DOCUMENTS]
    asked = random.Random(0).sample(range(min(len(pairs), DOCUMENTS)), min(QUESTIONS, len(pairs)))
    return SimpleNamespace(
        questions=[pairs[n][0] for n in asked], documents=documents, answers=asked
    )


def english():
    import numpy as np
    import pandas as pd

    found = {}
    for module in (np, np.linalg, np.random, np.fft, pd, pd.DataFrame, pd.Series, pd.Index):
        for name in sorted(dir(module)):
            text = inspect.getdoc(getattr(module, name, None)) or ""
            first, _, rest = text.partition("\n\n")
            if not name.startswith("_") and len(first) > 25 and len(rest) > 200:
                found.setdefault(" ".join(first.split()), rest)
    return made_of(list(found.items()))


def code():
    found = {}
    for path in sorted(Path(sysconfig.get_path("stdlib")).glob("*.py")):
        source = path.read_text("utf-8", errors="replace")
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.FunctionDef) and len(node.body) > 3:
                first = (ast.get_docstring(node) or "").partition("\n")[0]
                node.body = node.body[1:]
                if len(first) > 25:
                    found.setdefault(first, ast.unparse(node))
    return made_of(list(found.items()))


def of_messages(column, package):
    with Path(__file__).with_name("retrieval.csv").open(encoding="utf-8") as file:
        pairs = [(row[f"{column}_question"], row[f"{column}_text"]) for row in csv.DictReader(file)]
    folder = Path(find_spec(f"jupyterlab_language_pack_{package}").origin).parent
    others = set()
    for path in folder.rglob("*.mo"):
        with path.open("rb") as file:
            others |= set(gettext.GNUTranslations(file)._catalog.values())
    return made_of(pairs, sorted(text for text in others if text and len(text) > 4))
