"""What gets ready in the background of a real kernel after the extension was loaded."""

import time

import psutil
import pytest
from jupyter_client.manager import start_new_kernel

pytestmark = pytest.mark.kernel

LOAD = "%load_ext aoai_magic"
WAITING_SECONDS = 60
ENGINE = (
    "from aoai_magic.backends.local_engine import LAUNCHER as L; print(L.engine and L.engine.pid)"
)
THREADS = "import threading; print([t.name for t in threading.enumerate()])"
MODULES = "import sys; print('openai' in sys.modules)"


class Kernel:
    """A kernel, and what its cells printed."""

    def __init__(self):
        self.manager, self._client = start_new_kernel()

    def run(self, code):
        """Run a cell; give all that it shows, and its error's text."""
        said = []
        self._client.execute_interactive(
            code, stop_on_error=False, timeout=120, output_hook=said.append
        )
        contents = [m["content"] for m in said]
        return "".join(c.get("text") or c.get("evalue") or str(c.get("data", "")) for c in contents)

    def idle(self):
        """Wait until nothing is started any more."""
        until(lambda: "aoai-magic-e" not in self.run(THREADS))

    def close(self, *, now=False):
        self._client.stop_channels()
        self.manager.shutdown_kernel(now=now)


def until(is_so):
    """Wait for something; a cell of ours interrupts the idle time that a step waits for."""
    deadline = time.monotonic() + WAITING_SECONDS
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.5)


@pytest.fixture
def kernel(monkeypatch):
    """A kernel over the embedded engine."""
    monkeypatch.setenv("AOAI_MAGIC_TARGET", "local")
    opened = Kernel()
    yield opened
    if opened.manager.has_kernel:
        opened.close()


def test_engine_and_sandbox_start_unasked_serve_the_question_and_end_with_the_kernel(kernel):
    said = [kernel.run(LOAD)]
    kernel.idle()
    pid = int(kernel.run(ENGINE))
    until(lambda: any("sandbox.child.zygote" in " ".join(p.cmdline()) for p in below(pid)))
    assert kernel.run(MODULES) == "True\n"
    said += [kernel.run("1;"), kernel.run("2;")]
    assert said == ["", "", ""]
    assert "1" in kernel.run("%%assistant\nWhat is 3 - 2?")
    assert int(kernel.run(ENGINE)) == pid
    kernel.close()
    until(lambda: not psutil.pid_exists(pid))


def below(pid):
    return psutil.Process(pid).children(recursive=True)


def test_no_step_begins_while_a_cell_runs(kernel):
    kernel.run(f"{LOAD}\nimport time")
    assert kernel.run(f"time.sleep(1.5)\n{ENGINE}\n{MODULES}") == "None\nFalse\n"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("AOAI_MAGIC_START_EARLY", "false"),
        ("AOAI_MAGIC_TARGET", "azure"),
        ("AOAI_MAGIC_TARGET", "http://127.0.0.1:9"),
        ("AOAI_MAGIC_RECORDINGS", "tapes"),
        ("AOAI_MAGIC_TIMEOUT", "soon"),
    ],
)
def test_nothing_starts_where_it_is_not_wanted_or_cannot_help(monkeypatch, name, value):
    monkeypatch.setenv("AOAI_MAGIC_TARGET", "local")
    monkeypatch.setenv(name, value)
    kernel = Kernel()
    try:
        assert kernel.run(LOAD) == ""
        kernel.idle()
        assert kernel.run(ENGINE) == "None\n"
        assert kernel.run(MODULES) == "False\n"
    finally:
        kernel.close()


def test_a_failure_is_said_at_the_first_question_and_not_before(monkeypatch, tmp_path):
    (tmp_path / "home").write_text("no folder")
    monkeypatch.setenv("AOAI_MAGIC_TARGET", "local")
    monkeypatch.setenv("AOAI_MAGIC_HOME", str(tmp_path / "home"))
    kernel = Kernel()
    try:
        assert kernel.run(LOAD) == ""
        kernel.idle()
        assert kernel.run("1;") == ""
        assert "The local engine could not be started" in kernel.run("%%assistant\nWhat is 3 - 2?")
    finally:
        kernel.close()


def test_a_file_that_hides_a_package_is_not_run(monkeypatch, tmp_path):
    (tmp_path / "httpx.py").write_text("print('run unasked')")
    monkeypatch.setenv("AOAI_MAGIC_TARGET", "local")
    monkeypatch.chdir(tmp_path)
    kernel = Kernel()
    try:
        said = kernel.run(LOAD)
        kernel.idle()
        assert said + kernel.run("1;") == ""
        assert kernel.run(MODULES) == "False\n"
    finally:
        kernel.close()
