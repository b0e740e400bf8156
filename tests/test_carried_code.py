"""The Python of turns runs in the notebook as it stands, and does there what it did before.

One real kernel asks a scripted model, whose code runs in a real sandbox; then it runs the turn's
code on its own variables.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
import zipfile
from pathlib import Path

import pandas as pd
import pytest
import yaml
from carried_turns import THREADS
from jupyter_client.manager import start_new_kernel

pytestmark = pytest.mark.kernel

SETUP = """
%load_ext aoai_magic
import hashlib, json, pickle
import numpy as np
import pandas as pd
rng = np.random.default_rng(1)
sales = pd.DataFrame({
    "region": rng.choice(["north", "south", "west"], 60),
    "product": rng.choice(["apple", "pear"], 60),
    "date": pd.date_range("2023-11-01", periods=60, freq="7D"),
    "revenue": rng.normal(100, 30, 60).round(2),
    "units": rng.integers(1, 40, 60),
})
sales.loc[[3, 7], "revenue"] = None
prices = pd.DataFrame({"price": [2.5, 1.5]}, index=pd.Index(["pear", "apple"], name="product"))
config = {"region": "north", "limit": 3}
def of_user():
    return pickle.dumps([sales.to_csv(), prices.to_csv(), config])
before = of_user()
del rng
"""
REPORT = """
print(json.dumps({
    "cell": _assistant.view.cell, "code": _assistant.code, "logs": _assistant.logs,
    "status": _assistant.status, "error": _assistant.error,
    "images": len(_assistant.images),
    "files": {name: file.data.hex() for name, file in _assistant.files.items()},
}))
"""


class Kernel:
    """A kernel of its own; `run` gives the outputs of a cell."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.manager, self.client = start_new_kernel(cwd=str(folder), startup_timeout=60)

    def run(self, code: str) -> list[dict]:
        outputs: list[dict] = []
        self.client.execute_interactive(
            code, timeout=120, output_hook=lambda message: outputs.append(message)
        )
        errors = [one["content"] for one in outputs if one["msg_type"] == "error"]
        assert not errors, "\n".join([code, *errors[0]["traceback"]])
        shown = ("stream", "display_data", "execute_result")
        made = [one["content"] for one in outputs if one["msg_type"] in shown]
        return _streams_joined([one for one in made if one.get("name") != "stderr"])

    def stop(self) -> None:
        self.client.stop_channels()
        self.manager.shutdown_kernel(now=True)


def _streams_joined(outputs: list[dict]) -> list[dict]:
    """Join what was printed in one go: a busy kernel sends it in pieces, at any place."""
    joined: list[dict] = []
    for one in outputs:
        if joined and "text" in one and "text" in joined[-1]:
            joined[-1]["text"] += one["text"]
        else:
            joined.append(dict(one))
    return joined


@pytest.fixture(scope="module")
def kernel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("carried")
    (folder / "data").mkdir()
    (folder / "data" / "targets.csv").write_text("region,target\nnorth,2000\nsouth,1500\nwest,9\n")
    turns = [
        {
            "when": re.escape(_question(thread, number)),
            "replies": [*({"code": step} for step in steps), {"text": "Done."}],
        }
        for thread in THREADS
        for number, steps in enumerate(thread.turns)
    ]
    (folder / "script.yaml").write_text(yaml.safe_dump({"turns": turns}))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AOAI_MAGIC_HOME", str(tmp_path_factory.mktemp("home")))
        patch.setenv("AOAI_MAGIC_MODEL", f"scripted:{folder / 'script.yaml'}")
        patch.setenv("AOAI_MAGIC_LANG", "en")
        made = Kernel(folder)
        yield made
        made.stop()


def _question(thread, number: int) -> str:
    return f"Case {thread.name}: turn {number}."


@pytest.mark.parametrize("thread", THREADS, ids=[thread.name for thread in THREADS])
def test_the_code_does_in_the_notebook_what_it_did_in_the_sandbox(kernel, thread):
    kernel.run(SETUP)
    turn = _ask(kernel, thread)
    assert turn["status"] == "completed", turn["error"]
    cell = turn["cell"]
    assert cell, turn["logs"]
    assert turn["code"] == cell.rstrip("\n")
    for text in thread.with_:
        assert text in cell
    for text in thread.without:
        assert text not in cell, cell
    assert len([line for line in cell.splitlines() if line.strip()]) <= thread.lines, cell
    if thread.name == "failed in a loop":
        return  # it is said at the top that this one differs
    outputs = kernel.run(cell)
    _same_files(kernel.folder, turn, cell)
    # A figure that was saved, and not shown, is no picture of the turn.
    drawn = [one for one in outputs if "image/png" in one.get("data", {})]
    assert len(drawn) >= turn["images"], cell
    logs = _plain(turn["logs"])
    for one in outputs:
        text = one.get("text") or one.get("data", {}).get("text/plain", "")
        if "image/png" not in one.get("data", {}):
            assert _plain(text) in logs, (text, turn["logs"])
    assert kernel.run("print(of_user() == before)")[-1]["text"] == "True\n", cell


def _ask(kernel: Kernel, thread) -> dict:
    for number in range(len(thread.turns)):
        items = "sales prices config @data/targets.csv --new" if number == 0 else ""
        items = items or ("sales" if thread.attached_again else "")
        kernel.run(f"%%assistant {items} --no-raise\n{_question(thread, number)}")
    return json.loads(kernel.run(REPORT)[-1]["text"])


def _plain(text: str) -> str:
    """Return a text without spaces, warnings of libraries, and the folder that files are in."""
    text = re.sub(r"\S+:\d+: \w+Warning: .*\n.*\n", "", text)
    return "".join(text.replace("/mnt/data/", "").replace("./", "").split())


def _same_files(folder: Path, turn: dict, cell: str) -> None:
    for name, data in turn["files"].items():
        here = (folder / name).read_bytes()
        assert _content(name, here) == _content(name, bytes.fromhex(data)), (name, cell)
        (folder / name).unlink()


def _content(name: str, data: bytes) -> object:
    """Return what a file holds, without the times that are written into it."""
    if name.endswith(".xlsx"):
        sheets = pd.read_excel(io.BytesIO(data), sheet_name=None)
        return {sheet: frame.to_csv() for sheet, frame in sheets.items()}
    if name.endswith(".zip"):
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            return {one: archive.read(one) for one in archive.namelist()}
    if name.endswith(".parquet"):
        return pd.read_parquet(io.BytesIO(data)).to_csv()
    if name.endswith(".png"):
        return data[:8]
    return hashlib.sha256(data).hexdigest(), data[:400]
