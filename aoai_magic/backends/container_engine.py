"""The engine in a container of this user, which Docker or Podman runs.

All kernels of a data directory share one, as long as they have the same keys and settings; it
ends with the last of them. What happens in the container is in `aoai_magic.cli.container`.
"""

from __future__ import annotations

import atexit
import hashlib
import json
import secrets
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from aoai_magic._version import __version__
from aoai_magic.backends import local_engine
from aoai_magic.backends.local_engine import Engine
from aoai_magic.errors import EngineError
from aoai_magic.locale import gettext as _
from aoai_magic.shared.network import HOST_OF_USER
from aoai_magic.shared.private_files import open_regular, write_whole

PROGRAMS = ("docker", "podman")
IMAGE = f"aoai-magic:{__version__}"

_TOKEN = "AOAI_MAGIC_TOKEN"  # noqa: S105 - the name of its variable
_MODULE = ("python", "-m", "aoai_magic.cli.container")
CONFINED = (
    "--read-only",
    "--tmpfs=/tmp",
    "--cap-drop=ALL",
    "--security-opt=no-new-privileges",
    "--pids-limit=2000",
)
_ATTEMPTS = 3
_COMMAND_SECONDS = 60.0
_LABEL = "aoai-magic.image"


@dataclass(frozen=True)
class Containers:
    """How engines are started in containers; called as `local_engine.start` is.

    Attributes
    ----------
    program
        Docker's or Podman's command line program; empty: the first on the path that works.
    image
        The image's name; empty: that of this version.
    """

    program: str = ""
    image: str = ""

    def __call__(
        self,
        home: Path,
        sandbox: str,
        environ: Mapping[str, str],
        on_spawn: Callable[[subprocess.Popen[bytes]], None],
    ) -> Engine:
        """Join the container of a data directory, or start it.

        Raises
        ------
        EngineError
            If it cannot be started: says what is missing, and what to do.
        """
        log = local_engine.log_path(home)
        container = _Container.planned(*self.find(), home, sandbox, environ)
        for attempt in range(_ATTEMPTS):
            is_new = container.make()
            process = container.join(log.with_suffix(f".{attempt}.log"), on_spawn)
            if process is not None:
                token = container.given[_TOKEN]
                return Engine(container.url(), token, process.pid, log, process)
            reason = container.last_words()
            container.remove()
            if is_new:  # one that was there may just have lost its last kernel
                break
        raise _not_started(reason)

    def find(self) -> tuple[str, str]:
        """Return the program and the image's id; the first program that has the image.

        Raises
        ------
        EngineError
            If there is none: says what is missing, and the command for it.
        """
        image, refused = self.image or IMAGE, []
        for program in [self.program] if self.program else filter(shutil.which, PROGRAMS):
            found = _run(program, "image", "inspect", "--format", "{{.Id}}", image)
            if found.returncode == 0:
                return program, found.stdout.strip()
            asked = _run(program, "ps", "--quiet")
            if asked.returncode == 0:
                raise EngineError(_no_image(program, image))
            refused.append(_no_answer(program, _last_line(asked)))
        raise EngineError(refused[0] if refused else _no_program())


@dataclass(frozen=True)
class _Container:
    """One container of a data directory; ``given`` is what its engine is told."""

    program: str
    image: str
    volume: str
    name: str
    given: Mapping[str, str]
    is_podman: bool  # it also comes under Docker's name

    @classmethod
    def planned(
        cls, program: str, image: str, home: Path, sandbox: str, environ: Mapping[str, str]
    ) -> _Container:
        token = _token(home)
        is_podman = "podman" in _run(program, "--version").stdout.lower()
        given = {
            f"{local_engine.SESSIONS}MEMORY": str(_memory() * 3 // 4),
            **local_engine.UPLOADS,
            **dict(local_engine.read_by_an_engine(environ)),
            **local_engine.OURS,
            HOST_OF_USER: f"host.{'containers' if is_podman else 'docker'}.internal",
            "AOAI_MAGIC_SANDBOX": sandbox,
            _TOKEN: token,
        }
        volume = f"aoai-magic-{_digest(str(home.absolute()))}"
        # A name for keys and settings that tells nobody what they are.
        name = f"{volume}-{_digest(json.dumps(sorted(given.items())), token)}"
        return cls(program, image, volume, name, given, is_podman)

    def make(self) -> bool:
        """Have it run with the present image, and return whether it had to be started.

        One of another version is stopped first.
        """
        asked = f'{{{{index .Config.Labels "{_LABEL}"}}}} {{{{.State.Running}}}}'
        there = _run(self.program, "container", "inspect", "--format", asked, self.name)
        if there.stdout.split() == [self.image, "true"]:
            return False
        if there.returncode == 0:
            self.remove()
        made = _run(self.program, *self._words())
        # Another kernel may make it at this moment; joining shows whether it is there.
        if made.returncode and "in use" not in made.stderr:
            raise _not_started(_last_line(made))
        return made.returncode == 0

    def _words(self) -> Iterator[str]:
        yield from ("run", "--detach", f"--name={self.name}", f"--label={_LABEL}={self.image}")
        yield from ("--publish=127.0.0.1::8787", f"--volume={self.volume}:/data")
        yield from (*CONFINED, f"--memory={_memory()}")
        if not self.is_podman:  # Docker Engine does not know the name by itself
            yield "--add-host=host.docker.internal:host-gateway"
        yield from (f"--entrypoint={_MODULE[0]}", self.image, *_MODULE[1:])

    def join(
        self, log: Path, on_spawn: Callable[[subprocess.Popen[bytes]], None]
    ) -> subprocess.Popen[bytes] | None:
        """Return the process that holds the container's engine; None where that has ended."""
        words = ("exec", "--interactive", self.name, *_MODULE, "join")
        process = local_engine.spawn([self.program, *words], None, log)
        on_spawn(process)
        assert process.stdin
        with suppress(OSError):
            process.stdin.write(json.dumps(self.given).encode() + b"\n")
            process.stdin.flush()
        if local_engine.first_line(process) is not None:
            return process
        process.kill()
        process.communicate()
        return None

    def url(self) -> str:
        """Return where its engine is reached from here.

        Raises
        ------
        EngineError
            If it has no port here.
        """
        published = _run(self.program, "port", self.name, "8787/tcp")
        if not (places := published.stdout.split()):
            raise _not_started(_last_line(published))
        return f"http://{places[-1]}"

    def last_words(self) -> str:
        """Return the end of what it wrote."""
        return _last_line(_run(self.program, "logs", "--tail=1", self.name))

    def remove(self) -> None:
        """Stop it, so that its engine ends in order, and remove it."""
        _run(self.program, "stop", "--time=5", self.name)
        _run(self.program, "rm", "--force", self.name)


def _run(program: str, *words: str) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(  # noqa: S603 - the user's own program, no shell
            [program, *words],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_COMMAND_SECONDS,
            creationflags=local_engine.NO_WINDOW,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return subprocess.CompletedProcess([program], 127, "", str(error))


def _last_line(done: subprocess.CompletedProcess[str]) -> str:
    lines = (done.stderr or done.stdout).strip().splitlines()
    return lines[-1].rstrip(".") if lines else _("it said nothing")


def _not_started(reason: str) -> EngineError:
    text = _("The engine could not be started in a container ({reason}).")
    return EngineError(text.format(reason=reason))


def _digest(text: str, key: str = "") -> str:
    return hashlib.blake2b(text.encode(), key=key.encode(), digest_size=6).hexdigest()


def _token(home: Path) -> str:
    """Return the token of this data directory's containers."""
    path = home / "container-token"
    if (file := open_regular(path)) is None:
        write_whole(path, secrets.token_urlsafe(32).encode())
        file = path.open("rb")
    with file:
        return file.read().decode()


def _memory() -> int:
    """Return the bytes that a container may hold: half of what there is."""
    return max(2 * local_engine.SESSION_MEMORY, local_engine.machine_memory() // 2)


def _no_program() -> str:
    return _(
        "A container needs Docker Desktop, Docker Engine or Podman, none of which is on the PATH; "
        "install one, or use --on URL with a team server, or --on azure or openai."
    )


def _no_answer(program: str, reason: str) -> str:
    commands = {"linux": f"sudo systemctl start {Path(program).stem}"}
    usual = "podman machine start" if "podman" in program else _("start Docker Desktop")
    remedy = commands.get(sys.platform, usual)
    text = _("{program} does not answer ({reason}); to fix it: {remedy}.")
    return text.format(program=program, reason=reason, remedy=remedy)


def _no_image(program: str, image: str) -> str:
    here = Path(__file__).parents[1] / "deploy"
    command = (
        f"{program} build --tag {image} --build-arg VERSION={__version__} "
        f'--file "{here / "Containerfile"}" "{here}"'
        if here.is_dir()
        else "scripts/image"
    )
    text = _("{program} has no image {image}; to make it: {command}")
    return text.format(program=program, image=image, command=command)


LAUNCHER = local_engine.Launcher()
"""The kernel's own; a kernel has one engine in a container."""

atexit.register(LAUNCHER.stop)
