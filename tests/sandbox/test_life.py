"""Sessions begin and end with their host, and leave nothing behind."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
import os
import random
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import anyio
import psutil
import pytest

from aoai_magic.sandbox.host import levels, local
from aoai_magic.sandbox.host.local import LocalSandbox, open_sandbox
from aoai_magic.sandbox.protocol import Limits, SandboxError

from . import ordinary
from .cells import run

pytestmark = pytest.mark.lengthy

HOST = """
import asyncio, multiprocessing, sys, time
from pathlib import Path
from aoai_magic.sandbox.host import levels as ladder
from aoai_magic.sandbox.host.local import LocalSandbox
from aoai_magic.sandbox.protocol import Limits

async def main():
    rung = next(rung for rung in ladder.RUNGS if rung.level == sys.argv[2])
    sandbox = LocalSandbox(Path(sys.argv[1]), Limits(), rung, preload=["IPython"])
    await sandbox.start()
    for key in "ab":
        session = await sandbox.open(key)
        code = "import subprocess, time\\nsubprocess.Popen(['setsid', 'sleep', '1000'])\\nprint(1)"
        async for _ in session.run(code):
            pass
    # A forked child has the host's descriptors, and must not keep the sessions alive.
    multiprocessing.get_context("fork").Process(target=time.sleep, args=(3,), daemon=True).start()
    print("ready", flush=True)
    async for _ in session.run("while True: pass"):
        pass

asyncio.run(main())
"""


def below(pid: int) -> list[psutil.Process]:
    return psutil.Process(pid).children(recursive=True)


def wait_until_gone(processes: list[psutil.Process]) -> list[psutil.Process]:
    _, alive = psutil.wait_procs(processes, timeout=10)
    return [process for process in alive if process.status() != psutil.STATUS_ZOMBIE]


@pytest.mark.parametrize("level", ["namespaces", "landlock"])
def test_everything_dies_with_a_killed_host(level, tmp_path):
    command = [sys.executable, "-c", HOST, str(tmp_path), level]
    host = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert host.stdout.readline() == "ready\n"
        (zygote,) = zygotes(host.pid)
        assert len(sleeping(host.pid, 2)) == 2
        tree = [zygote, *zygote.children(recursive=True)]
    finally:
        host.kill()
        host.wait()
        host.stdout.close()
    assert wait_until_gone(tree) == []


OTHERS: set[int] = set()


@pytest.fixture(autouse=True)
def other_zygotes():
    """Leave out the zygotes of engines that other tests keep in this process."""
    OTHERS.clear()
    OTHERS.update(zygote.pid for zygote in zygotes(os.getpid()))


def zygotes(pid: int) -> list[psutil.Process]:
    children = [child for child in psutil.Process(pid).children() if child.pid not in OTHERS]
    return [child for child in children if "child.zygote" in " ".join(child.cmdline())]


def sleeping(pid: int, expected: int) -> list[psutil.Process]:
    """Return the processes below one that run ``sleep``, once there are as many as expected."""
    for _ in range(200):
        found = [process for process in below(pid) if process.name() == "sleep"]
        if len(found) >= expected:
            break
        time.sleep(0.05)
    return found


async def test_a_hundred_sessions_leave_nothing(make_sandbox, tmp_path):
    sandbox = await make_sandbox()
    await run(await sandbox.open("first"), "1")
    await sandbox.discard("first")
    before = _traces(tmp_path)
    for i in range(100):
        session = await sandbox.open(f"key {i}")
        if i % 10 == 0:
            await run(session, "import subprocess\nsubprocess.Popen(['sleep', '100'])")
        await sandbox.discard(f"key {i}")
    assert _traces(tmp_path) == before


@pytest.mark.slow
@pytest.mark.once
@pytest.mark.timeout(600)
async def test_a_thousand_sessions_leave_no_process_file_descriptor_or_memory(
    make_sandbox, tmp_path
):
    sandbox = await make_sandbox(Limits(idle_seconds=8))
    await _open_and_discard(sandbox, 100)
    before, memory = _traces(tmp_path), _resident()
    await _open_and_discard(sandbox, 1000)
    await _until(lambda: len(zygotes(os.getpid())) == 1)  # it was renewed on the way
    assert _traces(tmp_path) == before
    assert _resident() - memory < 16 << 20


async def _open_and_discard(sandbox: LocalSandbox, number: int) -> None:
    async def one(key: str) -> None:
        session = await sandbox.open(key)
        assert (await run(session, "open('file', 'w').write('x' * 9)")).result == "9"
        await sandbox.discard(key)

    for start in range(0, number, 10):
        await asyncio.gather(*(one(f"key {start + i}") for i in range(10)))


def _resident() -> int:
    gc.collect()
    return psutil.Process().memory_info().rss


async def _until(condition) -> None:
    for _ in range(600):
        if condition():
            return
        await asyncio.sleep(0.05)
    raise AssertionError("it did not come about")


async def test_who_gives_up_at_any_moment_leaves_nothing(make_sandbox, tmp_path):
    sandbox = await make_sandbox()
    source = tmp_path / "source"
    source.write_bytes(b"x" * 100_000)
    await sandbox.open("first")
    await sandbox.discard("first")
    before = _traces(tmp_path)
    moments = random.Random(3)
    for i in range(60):
        key = f"key {i}"
        with anyio.move_on_after(moments.uniform(0, 0.06)):
            session = await sandbox.open(key)
            await session.put("f", source)
            assert (await run(session, "open('f').read(1)")).done.ok
            assert len(await session.files()) == 1
            await session.close()
            await sandbox.discard(key)
        await sandbox.discard(key)
    assert (await run(await sandbox.open("last"), "1 + 1")).result == "2"
    await sandbox.discard("last")
    assert _traces(tmp_path) == before


async def test_the_watch_goes_on_when_a_session_cannot_be_looked_at(make_sandbox, caplog):
    sandbox = await make_sandbox(Limits(memory=300 << 20))
    gone, other = await sandbox.open("gone"), await sandbox.open("other")
    gone.data.rmdir()
    hang = asyncio.ensure_future(run(gone, "import time\ntime.sleep(60)"))
    code = "import mmap, time\nm = mmap.mmap(-1, 1 << 30)\nm[::4096] = bytes(len(m) // 4096)"
    outcome = await run(other, code + "\ntime.sleep(60)", 60)
    assert outcome.limits == ["memory"]
    await gone.interrupt()
    await hang
    assert "could not be watched" in caplog.text


def _descriptors(folder: Path) -> int:
    """Count those that sessions are held by: pipes, local sockets, processes, folders.

    Databases and connections of servers that other tests keep in this process come and go.
    """
    local = {line.split()[6] for line in Path("/proc/net/unix").read_text().splitlines()[1:]}
    found = []
    for descriptor in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(OSError):  # that of the listing itself
            found.append(str(descriptor.readlink()))
    held = [link for link in found if link.startswith("pipe:") or "pidfd" in link]
    held += [link for link in found if link.startswith(str(folder))]
    held += [link for link in found if link.startswith("socket:[") and link[8:-1] in local]
    return len(held)


def _traces(folder: Path) -> tuple:
    """Count descriptors, mounts, processes and files; garbage of other tests is none of ours."""
    gc.collect()
    for _ in range(100):
        (zygote,) = zygotes(os.getpid())
        processes = [zygote, *zygote.children(recursive=True)]
        if len(processes) <= 1:
            break
        time.sleep(0.02)
    descriptors = _descriptors(folder)
    mounts = Path("/proc/self/mounts").read_text().count("\n")
    files = sorted(path.name for path in (folder / "sandbox-namespaces").iterdir())
    return descriptors, mounts, len(processes), files


async def test_a_killed_zygote_is_replaced(make_sandbox):
    sandbox = await make_sandbox()
    session = await sandbox.open("a")
    await run(session, "x = 1")
    (zygote,) = zygotes(os.getpid())
    zygote.kill()
    zygote.wait()
    other = await sandbox.open("b")
    assert (await run(other, "1 + 1")).result == "2"


@pytest.mark.slow
async def test_zygotes_are_renewed_and_the_old_ones_end(make_sandbox, monkeypatch):
    monkeypatch.setattr(local, "_SESSIONS_OF_A_ZYGOTE", 3)
    sandbox = await make_sandbox(Limits(idle_seconds=4))
    first = zygotes(os.getpid())
    session = await sandbox.open("kept")
    await run(session, "x = 1")
    for i in range(4):
        assert (await run(await sandbox.open(f"{i}"), "1 + 1")).result == "2"
        assert (await run(session, "x")).result == "1"
    await session.close()
    await _until(lambda: not first[0].is_running())


async def test_zygotes_are_renewed_after_some_hours(make_sandbox, monkeypatch):
    sandbox = await make_sandbox(Limits(idle_seconds=4))
    (first,) = zygotes(os.getpid())
    session = await sandbox.open("kept")
    await run(session, "x = 1")
    monkeypatch.setattr(local, "_SECONDS_OF_A_ZYGOTE", 0.0)
    assert (await run(await sandbox.open("other"), "1 + 1")).result == "2"
    monkeypatch.undo()
    assert first.is_running()  # as long as a session of it lives
    assert (await run(session, "x")).result == "1"
    await session.close()
    await _until(lambda: not first.is_running())
    (second,) = zygotes(os.getpid())
    assert second.pid != first.pid


async def test_daemons_die_with_the_session(make_sandbox):
    for level in ("namespaces", "landlock"):
        sandbox = await make_sandbox(level=level)
        session = await sandbox.open("a")
        code = """
import os
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        os.execvp("sleep", ["sleep", "1000"])
    os._exit(0)
import time; time.sleep(0.2)
"""
        await run(session, code)
        daemons = sleeping(os.getpid(), 1)
        assert len(daemons) == 1
        await session.close()
        assert wait_until_gone(daemons) == []


async def test_discard_deletes_and_ends_for_good(make_sandbox, tmp_path):
    sandbox = await make_sandbox()
    session = await sandbox.open("a")
    await run(session, "open('x', 'w').write('x')")
    await sandbox.discard("a")
    assert not session.data.exists()
    with pytest.raises(SandboxError, match="discarded"):
        await run(session, "1")
    assert await (await sandbox.open("a")).files() == []


async def test_files_outlive_the_sandbox(make_sandbox, tmp_path):
    for _ in range(2):
        sandbox = await make_sandbox()
        session = await sandbox.open("a")
        await run(session, "open('/mnt/data/n', 'a').write('x')")
        (file,) = await session.files()
        await sandbox.close()
    assert file.bytes == 2


async def test_a_session_cannot_use_a_closed_sandbox(make_sandbox):
    sandbox = await make_sandbox()
    session = await sandbox.open("a")
    await sandbox.close()
    with pytest.raises(SandboxError, match="closed"):
        await run(session, "1")


async def test_other_arguments_are_refused(tmp_path):
    with pytest.raises(SandboxError, match="local:unisolated"):
        open_sandbox("weak", tmp_path, Limits())


async def test_no_isolation_must_be_asked_for(tmp_path):
    sandbox = open_sandbox("unisolated", tmp_path, Limits(), preload=["IPython"])
    isolation = await sandbox.start()
    await sandbox.close()
    assert isolation.level == "none"
    assert "nothing is kept from it" in isolation.gaps[0]


RESTRICTED = """
import asyncio, json, struct, sys
from pathlib import Path
from aoai_magic.sandbox.isolation import seccomp, syscalls
from aoai_magic.sandbox.host.local import open_sandbox
from aoai_magic.sandbox.protocol import Limits, SandboxError

async def main():
    sandbox = open_sandbox("", Path(sys.argv[1]), Limits(), preload=["IPython"])
    try:
        isolation = await sandbox.start()
    except SandboxError as error:
        print(json.dumps({"error": str(error)}))
    else:
        print(json.dumps({"level": isolation.level, "tried": isolation.tried}))
    await sandbox.close()

def deny(*numbers):
    code = struct.pack("HBBI", 0x20, 0, 0, 0)
    for number in numbers:
        code += struct.pack("HBBI", 0x15, 0, 1, number) + struct.pack("HBBI", 6, 0, 0, 0x50001)
    syscalls.install_filter(code + struct.pack("HBBI", 6, 0, 0, 0x7FFF0000))

syscalls.prctl(syscalls.PR_SET_NO_NEW_PRIVS, 1)
deny(seccomp.NUMBERS["x86_64"]["unshare"], *map(int, sys.argv[2:]))
asyncio.run(main())
"""

x86_only = pytest.mark.skipif(os.uname().machine != "x86_64", reason="numbers of x86-64")


def _start_restricted(folder: Path, *denied: int) -> dict:
    command = [sys.executable, "-c", RESTRICTED, str(folder), *map(str, denied)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    return json.loads(done.stdout)


@x86_only
def test_where_namespaces_are_forbidden_landlock_is_taken(tmp_path):
    said = _start_restricted(tmp_path)
    assert said["level"] == "landlock"
    assert "unshare" in said["tried"][0]
    assert said["tried"][-1].startswith("to allow it: ")


@pytest.mark.parametrize(
    ("name", "closed", "way"),
    [
        ("kernel/apparmor_restrict_unprivileged_userns", "1", "userns=0"),
        ("kernel/unprivileged_userns_clone", "0", "sysctl -w kernel.unprivileged_userns_clone=1"),
        ("user/max_user_namespaces", "0", "sysctl -w user.max_user_namespaces=10000"),
    ],
)
def test_the_remedy_is_that_of_the_machine(tmp_path, name, closed, way):
    setting = tmp_path / name
    setting.parent.mkdir()
    setting.write_text(f"{1 - int(closed)}\n")
    assert way not in levels.remedy(tmp_path)
    setting.write_text(f"{closed}\n")
    assert way in levels.remedy(tmp_path)


@x86_only
def test_where_nothing_holds_the_sandbox_refuses_and_says_why(tmp_path):
    error = _start_restricted(tmp_path, 444)["error"]
    for words in ("namespaces: ", "landlock: ", "unshare", "Remedy: "):
        assert words in error


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
@pytest.mark.parametrize("masked", [False, True])
def test_an_ordinary_user_gets_namespaces(open_folder, masked):
    script = open_folder / "start.py"
    script.write_text(RESTRICTED.split("def deny")[0] + "\nasyncio.run(main())\n")
    home = open_folder / "home"
    home.mkdir()
    options = [ordinary.MASKED] if masked else []
    said = json.loads(ordinary.run(home, str(script), str(home / "s"), *options))
    assert said["level"] == "namespaces"
    assert len(said["tried"]) == (1 if masked else 0)


def test_accounts_of_sessions_differ_and_stay():
    accounts = {levels.account_for(f"key {i}") for i in range(50)}
    assert accounts == (
        {None} if os.geteuid() else {levels.account_for(f"key {i}") for i in range(50)}
    )
    assert len(accounts) == (1 if os.geteuid() else 50)


async def test_a_session_that_talks_nonsense_is_closed_and_hurts_nobody(make_sandbox):
    sandbox = await make_sandbox()
    session, other = await sandbox.open("a"), await sandbox.open("b")
    find = "import os, socket, struct\ns = socket.socket(fileno=os.dup(3))\n"
    for attack in (
        "s.sendall(os.urandom(100_000))",
        "s.sendall(struct.pack('>I', 2**31) + b'x' * 1000)",
        "s.sendall(struct.pack('>I', 200_000) + b'[' * 200_000)",
        "s.sendall(struct.pack('>I', 5) + b'\"abc\"')",
        "s.shutdown(socket.SHUT_RDWR); import time; time.sleep(60)",
    ):
        outcome = await asyncio.wait_for(run(session, find + attack), 20)
        assert outcome.ended, attack
        assert not outcome.done.ok
    assert (await run(other, "1 + 1")).result == "2"
    assert (await run(session, "1 + 1")).result == "2"


async def test_forged_frames_are_no_more_than_text_and_pictures(make_sandbox):
    sandbox = await make_sandbox()
    session = await sandbox.open("a")
    code = """
import json, os, socket, struct
s = socket.socket(fileno=os.dup(3))
def send(**frame):
    body = json.dumps(frame).encode()
    s.sendall(struct.pack(">I", len(body)) + body)
send(type="stream", name=7, text=["x"])
send(type="stream", name="stdout", text="\\ud800")
send(type="display", data=[1])
send(type="display", data={"image/png": {"base64": "!"}, "text/plain": 3}, id={})
send(type="error", name=None, value=5, traceback={})
send(type="unknown")
send(type="done", ok="yes", dropped=-1)
"""
    outcome = await run(session, code)
    assert not outcome.done.ok
    assert outcome.displays == []
    outcome.text.encode()
    assert (await run(session, "2 + 2")).done is not None


async def test_signals_to_the_host_process_group_do_not_reach_sessions(make_sandbox):
    sandbox = await make_sandbox()
    session = await sandbox.open("a")
    await run(session, "x = 1")
    (zygote,) = zygotes(os.getpid())
    zygote.send_signal(signal.SIGINT)  # as the terminal's Ctrl-C does
    assert (await run(session, "x")).result == "1"
    assert (await run(await sandbox.open("b"), "3")).result == "3"


async def test_interpreters_start_at_once_in_parallel(make_sandbox):
    sandbox = await make_sandbox()
    sessions = await asyncio.gather(*(sandbox.open(f"{i}") for i in range(10)))
    outcomes = await asyncio.gather(*(run(s, f"{i}") for i, s in enumerate(sessions)))
    assert [outcome.result for outcome in outcomes] == [str(i) for i in range(10)]
    same = await asyncio.gather(*(sandbox.open("same") for _ in range(3)))
    assert len({id(session) for session in same}) == 1


async def test_a_helper_that_does_not_start_is_reported(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "executable", "/bin/false")
    sandbox = LocalSandbox(tmp_path / "s", Limits())
    with pytest.raises(SandboxError, match="helper process did not start"):
        await sandbox.start()


async def test_what_is_not_installed_is_not_preloaded(make_sandbox):
    sandbox = await make_sandbox(preload=["IPython", "no_such_package.inner"])
    assert (await run(await sandbox.open("a"), "1 + 1")).result == "2"


@pytest.mark.parametrize("system", ["win32", "darwin"])
@pytest.mark.parametrize("argument", ["", "unisolated"])
async def test_other_systems_are_refused(tmp_path, monkeypatch, system, argument):
    monkeypatch.setattr(sys, "platform", system)
    with pytest.raises(SandboxError, match=f"{system}.*in a container"):
        await open_sandbox(argument, tmp_path / "s", Limits()).start()


async def test_who_gives_up_waiting_takes_no_other_sessions_process(make_sandbox):
    sandbox = await make_sandbox()
    for round_ in range(10):
        given_up = asyncio.ensure_future(sandbox.open(f"given up {round_}"))
        await asyncio.sleep(0.001 * round_)
        given_up.cancel()
        session = await sandbox.open(f"other {round_}")
        outcome = await run(session, "print(40 + 2)\nimport time; time.sleep(0.05)")
        assert (outcome.text, outcome.ended, outcome.done.ok) == ("42\n", [], True)


async def test_a_session_that_nobody_waited_for_ends_with_the_sandbox(make_sandbox):
    sandbox = await make_sandbox()
    given_up = asyncio.ensure_future(sandbox.open("a"))
    await asyncio.sleep(0.001)
    given_up.cancel()
    tree = [process for zygote in zygotes(os.getpid()) for process in [zygote, *below(zygote.pid)]]
    await sandbox.close()
    assert tree
    assert wait_until_gone(tree) == []
    assert zygotes(os.getpid()) == []


async def test_a_host_may_hold_more_files_open_than_select_knows(make_sandbox):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(max(soft, 4096), hard), hard))
    held = [os.open(os.devnull, os.O_RDONLY) for _ in range(1_100)]
    try:
        session = await (await make_sandbox()).open("a")
        assert (await run(session, "print(6 * 7)")).text == "42\n"
    finally:
        for descriptor in held:
            os.close(descriptor)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
