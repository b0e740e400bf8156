"""An engine in a container: started, shared, replaced and ended, and what is missing named.

Docker is a stand-in here, which starts the engine directly; `test_podman` has the real thing.
"""

import json
import os
import sys
import time
from pathlib import Path

import pandas as pd
import psutil
import pytest

from aoai_magic.backends import container_engine
from aoai_magic.backends.container_engine import IMAGE, Containers
from aoai_magic.config.settings import resolve, resolve_target
from aoai_magic.errors import EngineError, UsageError
from aoai_magic.runner.diagnostics import examine
from aoai_magic.runner.kernel_state import Assistant
from aoai_magic.runner.options import Options
from aoai_magic.shared import isolation_here

pytestmark = pytest.mark.timeout(600)  # each engine is a process that imports a lot

SECRET = "sk-not-for-arguments"
PROGRAM = Path(__file__).with_name("container_program.py")


@pytest.fixture
def docker(tmp_path, monkeypatch):
    """The stand-in on the PATH, under Docker's name; gives its folder."""
    folder = tmp_path / "docker"
    folder.mkdir()
    (folder / "images").write_text(f"{IMAGE} sha256:first\n")
    (folder / "calls").touch()
    command = folder / "docker"
    command.write_text(f'#!/bin/sh\nexec {sys.executable} {PROGRAM} "$@"\n')
    command.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    monkeypatch.setenv("STAND_IN", str(folder))
    # Podman may be on this machine too.
    monkeypatch.setattr(container_engine, "PROGRAMS", ("docker",))
    yield folder
    container_engine.LAUNCHER.stop()
    assert until(lambda: not running(folder)), "an engine was left"


def until(holds):
    for _ in range(600):
        if holds():
            return True
        time.sleep(0.05)
    return False


def running(folder):
    """Return the stand-in's containers, and what is in them, that still run."""
    there = (process.info for process in psutil.process_iter(["pid", "cmdline"]))
    return [one["pid"] for one in there if str(folder) in " ".join(one["cmdline"] or ())]


def calls(folder, name=""):
    words = map(json.loads, (folder / "calls").read_text().splitlines())
    return [call for call in words if call[0].startswith(name)]


@pytest.fixture
def start(docker, tmp_path):
    """Start engines, as kernels of one data directory do."""
    started = []

    def begin(**environ):
        environ = {**os.environ, **environ}
        started.append(Containers()(tmp_path / "home", "local", environ, lambda _process: None))
        return started[-1]

    yield begin
    for engine in started:
        engine.stop()


def test_a_turn_runs_in_it_and_its_keys_stand_in_no_argument(docker, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", SECRET)
    sales = pd.DataFrame({"region": ["a", "b"], "amount": [3, 4]})

    assistant = Assistant({"sales": sales})
    options = Options(on="container", model="offline")
    turn = assistant.ask_now("Total amount of sales?", options)
    again = assistant.ask_now("Mean amount of sales?", options)

    assert "7" in turn.text
    assert "3.5" in again.text
    assert turn.view.target == "container"
    (run,) = calls(docker, "run")
    assert {"--read-only", "--cap-drop=ALL", "--security-opt=no-new-privileges"} <= set(run)
    assert "--publish=127.0.0.1::8787" in run
    assert "--add-host=host.docker.internal:host-gateway" in run
    everything = json.dumps(calls(docker))
    assert SECRET not in everything
    assert container_engine.LAUNCHER.engine.token not in everything


def test_kernels_share_one_which_ends_with_the_last(docker, start):
    first, second = start(), start()
    assert first.url == second.url
    assert len(calls(docker, "run")) == 1

    first.stop()
    time.sleep(0.5)
    assert second.alive

    second.stop()
    assert until(lambda: not running(docker))


def test_one_is_started_anew_when_its_last_kernel_has_just_gone(docker, start):
    start().stop()
    again = start()
    assert again.alive


def test_another_image_replaces_the_one_that_runs(docker, start):
    old = start()
    (docker / "images").write_text(f"{IMAGE} sha256:second\n")
    new = start()

    assert [call[-3] for call in calls(docker, "run")] == ["sha256:first", "sha256:second"]
    assert until(lambda: not old.alive)
    assert new.alive


def test_kernels_with_other_keys_have_one_of_their_own(docker, start):
    engines = [start(OPENAI_API_KEY=key) for key in ("a", "b")]
    assert len({engine.url for engine in engines}) == 2


def test_an_engine_that_cannot_start_says_why(docker, start):
    with pytest.raises(EngineError, match=r"in a container .*'soon'"):
        start(AOAI_MAGIC_SESSION_MEMORY="soon")


def findings(**environ):
    settings = resolve({"target": "container", "model": "offline", **environ})
    return [finding.text for finding in examine(settings) if finding.state == "bad"]


def test_the_doctor_names_the_image_that_is_missing_and_its_command(docker):
    (docker / "images").write_text("")
    assert findings() == [f"docker has no image {IMAGE}; to make it: scripts/image"]


def test_the_doctor_names_a_daemon_that_does_not_run(docker):
    (docker / "down").write_text("Cannot connect to the Docker daemon.\n")
    (text,) = findings()
    assert text == (
        "docker does not answer (Cannot connect to the Docker daemon); to fix it: sudo systemctl "
        "start docker."
    )


def test_the_doctor_names_what_to_install(docker, monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    (text,) = findings()
    assert text.startswith("A container needs Docker Desktop, Docker Engine or Podman")


def test_a_program_that_is_set_and_not_there_is_named(docker):
    (text,) = findings(container_program="/nowhere/nerdctl")
    assert text.startswith("/nowhere/nerdctl does not answer ([Errno 2]")


@pytest.mark.parametrize("model", ["gguf:/models/a.gguf", "scripted:a.yaml"])
def test_a_model_in_a_file_of_this_machine_is_refused(docker, model):
    with pytest.raises(UsageError, match="which the container does not see"):
        Assistant({}).ask_now("Total?", Options(on="container", model=model))


@pytest.mark.parametrize("system", ["win32", "darwin"])
def test_where_code_cannot_be_isolated_local_is_a_container(monkeypatch, system):
    monkeypatch.setattr(isolation_here, "sys", type("sys", (), {"platform": system}))
    isolation_here.isolates.cache_clear()
    try:
        target = resolve_target(resolve(environ={}), {})
        remote = resolve_target(resolve({"sandbox": "gateway:http://x"}, environ={}), {})
    finally:
        isolation_here.isolates.cache_clear()
    assert (target.name, target.model) == ("container", "offline")
    assert remote.name == "local"


def test_linux_isolates_here():
    assert isolation_here.isolates()
