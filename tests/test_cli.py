"""The command line, as a process of its own."""

import importlib.util
import json
import os
import re
import shlex
import subprocess
import sys
import urllib.request

import pytest

from aoai_magic import __version__

pytestmark = pytest.mark.lengthy


def aoai_magic(*arguments, **options):
    command = [sys.executable, "-m", "aoai_magic", *map(str, arguments)]
    return subprocess.run(
        command, capture_output=True, text=True, timeout=90, check=False, **options
    )


def test_version():
    assert aoai_magic("--version").stdout.strip() == __version__


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("--model", "nothing:x"), "nothing"),
        (("--model", "scripted:/nowhere.yaml"), "/nowhere.yaml"),
        (("--host", "203.0.113.1"), "203.0.113.1"),
        (("--token-file", "/nowhere/token"), "/nowhere/token"),
        (("--limit", "memory=lots"), "memory"),
    ],
)
def test_an_engine_that_cannot_start_says_why_in_one_sentence(tmp_path, arguments, text):
    done = aoai_magic("serve", "--port", 0, "--data-dir", tmp_path / "data", *arguments)
    assert done.returncode == 1
    assert done.stdout == ""
    assert text in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr


def test_the_engine_says_where_it_is_and_keeps_its_token_to_itself(tmp_path):
    command = [sys.executable, "-m", "aoai_magic", "serve", "--port", "0"]
    with subprocess.Popen(
        [*command, "--data-dir", str(tmp_path)], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        ready = json.loads(process.stdout.readline())
        process.terminate()
        rest, log = process.communicate(timeout=20)
    token = tmp_path / "token"
    assert ready["url"].startswith("http://127.0.0.1:")
    assert ready["pid"] == process.pid
    assert token.stat().st_mode & 0o777 == 0o600
    assert token.read_bytes().strip() not in rest + log


@pytest.mark.slow
def test_limits_of_sessions_are_set_by_variables_and_options(tmp_path):
    command = [sys.executable, "-m", "aoai_magic", "serve", "--port", "0"]
    command += ["--data-dir", str(tmp_path), "--limit", "memory=3G"]
    limits = {"AOAI_MAGIC_SESSION_CELL_SECONDS": "7", "AOAI_MAGIC_TOKEN": "t"}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env={**os.environ, **limits}
    ) as process:
        ready = json.loads(process.stdout.readline())
        asked = urllib.request.Request(ready["url"] + "/v1/engine")
        asked.add_header("Authorization", "Bearer t")
        with urllib.request.urlopen(asked, timeout=60) as answer:
            told = json.load(answer)["limits"]
        process.terminate()
    assert (told["memory"], told["cell_seconds"], told["sessions"]) == (3 << 30, 7, 50)


def test_doctor_tells_the_isolation_and_that_the_main_job_runs():
    done = aoai_magic("doctor")
    assert done.returncode == 0, done.stdout
    assert "ok   code runs isolated by namespaces" in done.stdout
    title = "\n\nLimits of the sandbox (as it should be; nothing to do)\n- "
    findings, _, rest = done.stdout.partition(title)
    assert "All sessions share this machine's kernel" in rest
    assert rest.endswith("\n\nAll good.\n") != ("gap" in findings)


@pytest.mark.slow
@pytest.mark.skipif(
    importlib.util.find_spec("matplotlib_fontja") is not None, reason="a package carries fonts"
)
def test_doctor_names_the_command_that_installs_missing_fonts(tmp_path, monkeypatch):
    monkeypatch.setenv("AOAI_MAGIC_HOME", str(tmp_path))
    aoai_magic("doctor")
    (path,) = tmp_path.glob("sessions/zygote/matplotlib/fontlist-*.json")
    known = json.loads(path.read_text())
    known["ttflist"] = [font for font in known["ttflist"] if "DejaVu" in font["name"]]
    path.write_text(json.dumps(known))
    said = aoai_magic("doctor").stdout
    assert re.search("gap  charts show Chinese.* as boxes.*; run (sudo|pip) .*install ", said)
    assert "All good." not in said


def test_doctor_fails_where_the_engine_cannot_run(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("AOAI_MAGIC_HOME", str(tmp_path / "file"))
    done = aoai_magic("doctor")
    assert done.returncode == 1
    assert "AOAI_MAGIC_HOME" in done.stdout
    assert "Traceback" not in done.stderr


@pytest.mark.slow
@pytest.mark.kernel
@pytest.mark.once
def test_demo_runs_the_quickstart_offline_whatever_is_configured(tmp_path, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-nobody")
    done = aoai_magic("demo", "--output", tmp_path)
    assert done.returncode == 0, done.stderr
    executed = json.loads((tmp_path / "quickstart.ipynb").read_text())
    outputs = [o for cell in executed["cells"] for o in cell.get("outputs", ())]
    assert any("image/png" in output.get("data", {}) for output in outputs)
    assert "x = 1" in json.dumps(executed)
    assert "<html" in (tmp_path / "quickstart.html").read_text()
    *command, notebook = shlex.split(done.stdout.splitlines()[-1])
    assert notebook == str(tmp_path / "quickstart.ipynb")
    assert subprocess.run([*command, "--version"], capture_output=True).returncode == 0
