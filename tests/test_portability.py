"""The notebook's side on Windows and macOS, as far as it can be shown on Linux."""

import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

PACKAGE = Path(__file__).parents[1] / "aoai_magic"
FAR = ("engine", "mcp", "sandbox", "__pycache__", "labextension", "notebooks")
"""What runs where the engine runs."""

TURN = r"""
import builtins, os, sys

MISSING = {"fcntl", "resource", "pwd", "grp", "termios", "pty", "tty", "syslog"}
imported = builtins.__import__

def refuse(name, globals=None, *rest, **more):
    ours = str((globals or {}).get("__name__", "")).startswith("aoai_magic")
    if ours and name.partition(".")[0] in MISSING:
        raise ModuleNotFoundError(name)
    return imported(name, globals, *rest, **more)

builtins.__import__ = refuse
for name in ("fork", "forkpty", "geteuid", "getuid", "fchmod", "setsid", "register_at_fork"):
    delattr(os, name)

import pandas as pd
import aoai_magic
from aoai_magic.shared import confined, private_files

for module in (private_files, confined):  # what is asked for the platform, in our modules alone
    module.sys = type("sys", (), {**vars(sys), "platform": "win32"})
confined._FORKS = False
sales = pd.DataFrame({"day": pd.to_datetime(["2026-01-01", "2026-01-02"]), "a": [1, 2]})
turn = aoai_magic.ask("Double it.", "sales", out="doubled")
print(doubled.a.tolist(), turn.logs)
"""

MODEL = """
turns:
  - when: .
    replies:
      - code: |
          print(sales.day.dtype.kind)
          sales.assign(a=sales.a * 2).to_csv("/mnt/data/doubled.csv", index=False)
      - text: Done.
"""


@pytest.mark.slow
def test_a_turn_needs_nothing_of_posix(engine, script, tmp_path):
    pd.DataFrame({"a": [1]})
    settings = {
        "TARGET": engine.url,
        "TOKEN": engine.token,
        "MODEL": script(MODEL),
        "HOME": str(tmp_path / "home"),
        "DISPLAY": "quiet",
    }
    environ = {f"AOAI_MAGIC_{name}": value for name, value in settings.items()}
    program = tmp_path / "turn.py"
    program.write_text(TURN)
    done = subprocess.run(
        [sys.executable, program],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), **environ},
    )
    assert done.stdout.splitlines()[-1:] == ["[2, 4] M"], done.stderr


@pytest.mark.once
@pytest.mark.lengthy
@pytest.mark.parametrize("platform", ["win32", "darwin"])
def test_its_types_hold_on(platform, tmp_path):
    folders = [path for path in PACKAGE.iterdir() if path.is_dir() and path.name not in FAR]
    packages = [word for path in folders for word in ("-p", f"aoai_magic.{path.name}")]
    words = ["--platform", platform, "--cache-dir", str(tmp_path), *packages]
    done = subprocess.run(
        [sys.executable, "-m", "mypy", *words],
        capture_output=True,
        text=True,
        cwd=PACKAGE.parent,
    )
    near = [
        line
        for line in done.stdout.splitlines()
        if "error:" in line
        and not line.startswith(("aoai_magic/engine", "aoai_magic/mcp", "aoai_magic/sandbox"))
    ]
    assert near == []
    assert "source files" in done.stdout
