"""What the package does without its extras: turns elsewhere, and a sentence for the rest."""

import subprocess

import openai
import pytest
from base_install import make_environment

needs_containers = pytest.mark.skipif(
    not hasattr(openai.AsyncOpenAI, "containers"), reason="this openai SDK knows no containers"
)
SENTENCE = (
    "The local engine needs packages that are not installed (python-multipart, pyyaml, "
    "snowballstemmer, sqlalchemy, starlette, uvicorn, websockets); install them with pip install "
    "'aoai-magic[local]'."
)

MODEL = """
turns:
  - when: .
    replies:
      - code: |
          import pandas as pd
          frame = {frame}
          frame.assign(a=frame.a * 2).to_csv("/mnt/data/doubled.csv", index=False)
      - text: Done.
"""

CELLS = """
import pathlib
import pyarrow as pa
from IPython.core.interactiveshell import InteractiveShell

shell = InteractiveShell.instance()
shell.user_ns["sales"] = pa.table({"a": [1, 2]})
pathlib.Path("sales.csv").write_text("a\\n1\\n2\\n")


def run(line, question):
    shell.user_ns.pop("doubled", None)
    result = shell.run_cell(f"%%assistant {line} -o doubled\\n{question}")
    print(result.error_in_exec or shell.user_ns["doubled"])


shell.run_cell("%load_ext aoai_magic")
"""


@pytest.fixture(scope="module")
def python(tmp_path_factory):
    return make_environment(tmp_path_factory.mktemp("base") / "venv")


@pytest.fixture
def run(python, tmp_path):
    def call(*words, **environ):
        home = {"HOME": str(tmp_path), "AOAI_MAGIC_HOME": str(tmp_path / "home")}
        return subprocess.run(
            [python, *words],
            capture_output=True,
            text=True,
            cwd=tmp_path,
            env={"PATH": "/usr/bin:/bin", "AOAI_MAGIC_LANG": "en", **home, **environ},
        )

    return call


@needs_containers
def test_a_service_needs_no_extra(run, engine, script):
    service = {"AZURE_OPENAI_ENDPOINT": engine.url, "AZURE_OPENAI_API_KEY": engine.token}
    model = script(MODEL.format(frame='pd.read_csv("/mnt/data/sales.csv")'))
    program = f"{CELLS}run('@sales.csv', 'Double.')\nrun('sales', 'Double.')"

    done = run("-c", program, AOAI_MAGIC_MODEL=model, **service)

    assert "a: [[2,4]]" in done.stdout, done.stderr
    assert done.stdout.splitlines()[-1] == (
        "sales cannot be sent, because pandas, which writes the CSV that the service reads, is "
        "not installed; install it with pip install pandas."
    )


def test_an_engine_elsewhere_needs_no_extra(run, engine, script):
    there = {"AOAI_MAGIC_TARGET": engine.url, "AOAI_MAGIC_TOKEN": engine.token}
    model = script(MODEL.format(frame="sales.to_pandas()"))

    done = run("-c", f"{CELLS}run('sales', 'Double.')", AOAI_MAGIC_MODEL=model, **there)

    assert "a: [[2,4]]" in done.stdout, done.stderr


def test_the_local_engine_says_what_is_missing(run):
    done = run("-c", f"{CELLS}run('', 'Hello?')\nshell.run_cell('%assistant status')")

    lines = done.stdout.splitlines()
    assert lines[0] == f"EngineError: {SENTENCE}", done.stderr
    assert f"engine     {SENTENCE}" in lines


@pytest.mark.parametrize("command", ["doctor", "serve"])
def test_a_command_says_what_is_missing(run, command):
    done = run("-m", "aoai_magic", command)

    assert SENTENCE in done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    assert done.returncode == 1


READ = """
import io, sys
import pyarrow as pa
import pyarrow.feather, pyarrow.parquet
from aoai_magic.results.read_table import read_table

table = pa.table({"a": [1, 2], "b": ["x", None]})
feather, parquet = io.BytesIO(), io.BytesIO()
pyarrow.feather.write_feather(table, feather)
pyarrow.parquet.write_table(table, parquet)
files = {
    "t.csv": b"a,b\\n1,x\\n2,\\n",
    "t.json": b'[{"a": 1, "b": "x"}, {"a": 2, "b": null}]',
    "t.feather": feather.getvalue(),
    "t.parquet": parquet.getvalue(),
}
for name, data in files.items():
    frame = read_table(data, name)
    print(type(frame).__module__.partition(".")[0], frame.shape, frame["a"][1])
"""


@pytest.mark.parametrize(
    ("installed", "library"), [((), "pyarrow"), (("polars",), "polars"), (("pandas",), "pandas")]
)
def test_a_table_that_comes_back_is_read_with_whatever_is_there(tmp_path, installed, library):
    python = make_environment(tmp_path / "venv", *installed)

    read = subprocess.check_output([python, "-c", READ], text=True, cwd=tmp_path)

    assert read.splitlines() == [f"{library} (2, 2) 2"] * 4
