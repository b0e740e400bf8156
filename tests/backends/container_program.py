"""A stand-in for Docker: a program that keeps a list of its calls and runs the engine directly.

Its folder (`STAND_IN`) holds what it is to be and what it has done: ``calls``, ``images`` (a name
and an id on a line), ``down`` (what it says where its daemon does not run) and for each container
its label, its pid and its folder. It gives the engine a pipe and a data folder of its own by
replacing the container's paths in the module's constants.
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

FOLDER = Path(os.environ["STAND_IN"])
RUN = """
import sys; from pathlib import Path
sys.path[:0] = {paths!r}
from aoai_magic.cli import container as c
c.PIPE, c.DATA, c.PORT = Path({pipe!r}), {data!r}, {port}
sys.argv[1:] = {words!r}
sys.exit(c.main())
"""


def end(text: str = "", status: int = 0, complaint: str = ""):
    print(text, end="\n" if text else "", flush=True)
    print(complaint, end="", file=sys.stderr)
    sys.exit(status)


def value(words, name):
    return next(word.partition("=")[2] for word in words if word.startswith(f"--{name}="))


def program(container: dict, *words: str) -> list[str]:
    pipe, data = f"{container['files']}/kernels", str(FOLDER / "volume")
    code = RUN.format(
        paths=sys.path, pipe=pipe, data=data, port=container["port"], words=list(words)
    )
    return [sys.executable, "-c", code]


def clean():  # a container has nothing of the environment of who starts it
    return {"PATH": os.environ["PATH"], "LANG": "C.UTF-8"}


def run(words):
    import socket

    name = value(words, "name")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    label, files = value(words, "label").partition("=")[2], tempfile.mkdtemp(dir=FOLDER)
    container = {"name": name, "label": label, "port": port, "files": files}
    started = subprocess.Popen(
        program(container),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=(FOLDER / f"{name}.log").open("wb"),
        env=clean(),
        start_new_session=True,
    )
    (FOLDER / f"{name}.json").write_text(json.dumps({**container, "pid": started.pid}))
    end(name)


def join(container):
    """Run what joins; it ends with the container, as all that runs in one does."""
    joining = subprocess.Popen(program(container, "join"), env=clean())
    while joining.poll() is None and alive(container):
        time.sleep(0.1)
    joining.kill()
    end(status=joining.wait())


def alive(container) -> bool:
    try:
        os.kill(container["pid"], 0)
    except ProcessLookupError:
        return False
    return "Z" not in Path(f"/proc/{container['pid']}/stat").read_text().split()[2]


def main(words):
    with (FOLDER / "calls").open("a") as calls:
        calls.write(json.dumps(words) + "\n")
    if words == ["--version"]:
        end("Docker version 27.0")
    if (FOLDER / "down").exists():
        end(status=1, complaint=(FOLDER / "down").read_text())
    if words[0] == "image":
        images = dict(line.split() for line in (FOLDER / "images").read_text().splitlines())
        end(images.get(words[-1], ""), words[-1] not in images, "No such image")
    if words[0] == "ps":
        end()
    if words[0] == "run":
        run(words)
    of_container(words)


def of_container(words):
    file = FOLDER / f"{next(word for word in words if word.startswith('aoai-magic-'))}.json"
    if not file.exists():
        end(status=1, complaint="No such container")
    container = json.loads(file.read_text())
    if words[0] == "container":
        end(f"{container['label']} {str(alive(container)).lower()}")
    if words[0] == "port":
        end(f"127.0.0.1:{container['port']}")
    if words[0] == "logs":
        end(complaint=file.with_suffix(".log").read_text())
    if words[0] == "exec":
        join(container)
    if words[0] == "stop" and alive(container):
        os.kill(container["pid"], signal.SIGTERM)
        end()
    if words[0] == "rm":
        if alive(container):
            os.kill(container["pid"], signal.SIGKILL)
        file.unlink()


main(sys.argv[1:])
