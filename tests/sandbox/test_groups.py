"""Where systemd gives control groups, the kernel bounds each session as a whole."""

from __future__ import annotations

import os

import pytest

from aoai_magic.sandbox.host import cgroups
from aoai_magic.sandbox.host.cgroups import Group, Scope, scope_command
from aoai_magic.sandbox.protocol import Limits

from .cells import run

MB = 1 << 20

with_systemd = pytest.mark.skipif(
    not scope_command(os.environ), reason="there is no systemd here that gives scopes"
)


def test_a_scope_is_divided_among_sessions(tmp_path):
    scope = Scope(tmp_path)
    scope.prepare(7)
    assert (tmp_path / "zygote" / "cgroup.procs").read_text() == "7"
    assert (tmp_path / "cgroup.subtree_control").read_text() == "+memory +pids"
    first, second = scope.open(300 * MB, 20), scope.open(300 * MB, 20)
    assert first.path.parent == second.path.parent == tmp_path
    assert first.path != second.path
    assert (first.path / "memory.max").read_text() == str(300 * MB)
    assert (first.path / "pids.max").read_text() == "22"


def test_what_the_kernel_killed_is_counted(tmp_path):
    group = Group(tmp_path)
    assert group.killed == 0
    (tmp_path / "memory.events").write_text("low 0\noom 3\noom_kill 2\noom_group_kill 0\n")
    assert group.killed == 2


def test_without_systemd_there_is_no_scope(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert scope_command({"XDG_RUNTIME_DIR": str(tmp_path)}) == []
    monkeypatch.setattr(cgroups, "_ROOT", tmp_path / "none")
    assert Scope.around(os.getpid()) is None


@with_systemd
@pytest.mark.parametrize("level", ["namespaces", "landlock"])
async def test_the_kernel_ends_what_takes_too_much_and_the_session_lives(make_sandbox, level):
    sandbox = await make_sandbox(Limits(memory=300 * MB, processes=40), level)
    session = await sandbox.open("a")
    group = session.interpreter.group
    await run(session, "x = 1")
    shared = "import mmap; m = mmap.mmap(-1, 1 << 30); m[::4096] = bytes(len(m) // 4096)"
    code = f"import subprocess, sys\nsubprocess.run([sys.executable, '-S', '-c', {shared!r}])"
    outcome = await run(session, code)
    assert outcome.limits == ["memory"]
    assert "-9" in outcome.result
    assert group.killed == 1
    assert (await run(session, "x")).result == "1"
    outcome = await run(session, f"{shared}\nx")
    assert outcome.limits == ["memory"]
    assert outcome.ended
    assert (await run(session, "1 + 1")).result == "2"
    assert group.path not in session.interpreter.group.path.parent.iterdir()


@with_systemd
async def test_a_scope_says_so_by_saying_nothing(make_sandbox):
    isolation = await (await make_sandbox()).start()
    assert not [gap for gap in isolation.gaps if "systemd" in gap]
