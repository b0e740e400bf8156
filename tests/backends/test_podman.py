"""The engine's real image, run by real Podman."""

import json
import os
import shutil
import subprocess
import time
from pathlib import Path

import pandas as pd
import pytest
from engine.models.chat_server import ChatServer
from engine.models.services import Services

from aoai_magic.backends import container_engine
from aoai_magic.backends.container_engine import IMAGE, Containers, _digest
from aoai_magic.errors import TurnError
from aoai_magic.runner.kernel_state import Assistant
from aoai_magic.runner.options import Options

pytestmark = [pytest.mark.slow, pytest.mark.lengthy, pytest.mark.once, pytest.mark.timeout(3600)]

ROOT = Path(__file__).parents[2]
SECRET = "sk-for-the-models-host-alone"
# A virtual machine may not let its root raise limits, which Podman does unless told not to.
CONF = """
[containers]
default_ulimits = ["nofile=1024:4096", "nproc=4096:4096"]
[engine]
runtime = "runc"
"""
PROBE = """
import asyncio
from pathlib import Path
from aoai_magic.sandbox.host.local import open_sandbox
from aoai_magic.sandbox.protocol import Limits, Stream

async def main():
    Path("/tmp/sessions").mkdir(mode=0o700)
    sandbox = open_sandbox("", Path("/tmp/sessions"), Limits())
    print((await sandbox.start()).level)
    session = await sandbox.open("a")
    events = [event async for event in session.run("import pandas; print(6 * 7)")]
    print("".join(event.text for event in events if isinstance(event, Stream)))
    await sandbox.close()

asyncio.run(main())
"""


def podman(*words, **options):
    return subprocess.run(["podman", *words], capture_output=True, text=True, **options)


@pytest.fixture(scope="module")
def image(tmp_path_factory):
    """The image of this checkout; its base and its packages are kept for the next time."""
    if not shutil.which("podman") or not shutil.which("debootstrap") or os.geteuid():
        pytest.skip("needs Podman, and debootstrap as root: scripts/test installs them")
    conf = tmp_path_factory.mktemp("podman") / "containers.conf"
    conf.write_text(CONF)
    os.environ["CONTAINERS_CONF"] = str(conf)
    settings = {"AOAI_MAGIC_CONTAINER_PROGRAM": "podman", "AOAI_MAGIC_FRONTEND": "skip"}
    environ = {name: value for name, value in os.environ.items() if not name.endswith("_proxy")}
    built = subprocess.run(
        [ROOT / "scripts/image", "debian"],
        env={**environ, **settings},
        capture_output=True,
        text=True,
    )
    assert built.returncode == 0, built.stderr[-2000:]
    yield IMAGE
    del os.environ["CONTAINERS_CONF"]


@pytest.fixture
def containers(image, monkeypatch, tmp_path):
    """Turns go to a container over a data directory of the test's own; gives how it is named."""
    home = tmp_path / "home"
    monkeypatch.setenv("AOAI_MAGIC_HOME", str(home))
    monkeypatch.setenv("AOAI_MAGIC_TARGET", "container")
    monkeypatch.setenv("AOAI_MAGIC_CONTAINER_PROGRAM", "podman")
    begun = f"aoai-magic-{_digest(str(home))}"
    yield begun
    container_engine.LAUNCHER.stop()
    for name in named(begun):
        podman("rm", "--force", name)
    podman("volume", "rm", begun)


def named(begun, *options):
    made = ("--filter", f"name={begun}")
    return podman("ps", "--all", "--format={{.Names}}", *made, *options).stdout.split()


@pytest.fixture
def model():
    """A model's server that all addresses of this machine reach."""
    with ChatServer("0.0.0.0") as server:
        server.answer = Services(server, CODE).answer
        yield server


CODE = "print(sales.amount.sum(), sales.day.dtype.kind); sales.to_csv('/mnt/data/out.csv')"


def test_a_turn_with_a_model_of_this_machine(containers, model, monkeypatch):
    monkeypatch.setenv("OPENAI_BASE_URL", f"{model.url}/v1")
    monkeypatch.setenv("OPENAI_API_KEY", SECRET)
    days = pd.to_datetime(["2026-01-01", "2026-01-02"])
    sales = pd.DataFrame({"day": days, "amount": [3, 4]})

    turn = Assistant({"sales": sales}).ask_now(
        "Sum of sales?", Options(model="openai:gpt-5.4", out="out")
    )

    assert turn.logs.strip() == "7 M"
    assert turn.files["out.csv"].data.startswith(b",day,amount")
    assert turn.view.isolation == "namespaces"
    assert model.keys[0] == f"Bearer {SECRET}"

    (name,) = named(containers)
    listed = podman("inspect", name).stdout
    token = container_engine.LAUNCHER.engine.token
    for place in (listed, podman("exec", name, "cat", "/proc/1/environ", "/proc/1/cmdline").stdout):
        assert place
        assert SECRET not in place
        assert token not in place
    assert podman("exec", name, "id", "--user").stdout.strip() == "1000"
    assert podman("exec", name, "touch", "/usr/a").returncode != 0
    status = podman("exec", name, "cat", "/proc/1/status").stdout
    assert "CapBnd:\t0000000000000000" in status
    assert "NoNewPrivs:\t1" in status
    version = json.loads(listed)[0]["Config"]["Labels"]["org.opencontainers.image.version"]
    assert IMAGE.endswith(f":{version}")

    container_engine.LAUNCHER.stop()
    assert ended(name)


def ended(name):
    for _ in range(600):
        if name not in named(name, "--filter", "status=running"):
            return True
        time.sleep(0.1)
    return False


def test_kernels_share_one(containers, tmp_path):
    begin = Containers("podman")
    engines = [begin(tmp_path / "home", "local", os.environ, lambda _: None) for _ in range(2)]
    (name,) = named(containers)
    assert engines[0].url == engines[1].url
    engines[0].process.kill()  # as where a kernel is killed
    engines[0].process.communicate()
    time.sleep(1)
    assert engines[1].alive
    engines[1].stop()
    assert ended(name)


def test_a_server_that_listens_on_loopback_alone_is_named(containers):
    with ChatServer() as server:
        options = Options(model=f"openai:gpt-5.4@{server.url}/v1")
        with pytest.raises(TurnError, match=r"host\.containers\.internal.*listen on all addresses"):
            Assistant({}).ask_now("Hello?", options)


@pytest.mark.parametrize(("denied", "level"), [((), "namespaces"), (("unshare",), "landlock")])
def test_the_sandbox_takes_the_strongest_level_that_the_container_allows(
    image, tmp_path, denied, level
):
    profile = json.loads(Path("/usr/share/containers/seccomp.json").read_text())
    for rule in profile["syscalls"]:  # Docker's denies this one to who has no privileges
        rule["names"] = [name for name in rule["names"] if name not in denied]
    (tmp_path / "seccomp.json").write_text(json.dumps(profile))
    words = [*container_engine.CONFINED, f"--security-opt=seccomp={tmp_path}/seccomp.json"]
    said = podman("run", "--rm", "-i", *words, "--entrypoint=python", image, "-", input=PROBE)
    assert said.stdout.split() == [level, "42"], said.stderr
