"""The filter of system calls: its tables, and what it does to a process."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from aoai_magic.sandbox.isolation import seccomp, syscalls

INSTRUCTION = 8
LONGEST_PROGRAM = 4096

HEADERS = {
    "x86_64": [Path("/usr/include/x86_64-linux-gnu/asm/unistd_64.h")],
    "aarch64": [
        Path("/usr/include/asm-generic/unistd.h"),
        Path("/usr/include/aarch64-linux-gnu/asm/unistd_64.h"),
    ],
}


@pytest.mark.parametrize("machine", seccomp.NUMBERS)
def test_numbers_are_those_of_the_kernels_headers(machine):
    header = next((path for path in HEADERS[machine] if path.exists()), None)
    if header is None:
        pytest.skip("the kernel's headers are not installed")
    pattern = r"#define __NR(?:3264)?_(\w+)\s+(\d+)"
    known = {name: int(number) for name, number in re.findall(pattern, header.read_text())}
    table = seccomp.NUMBERS[machine] | syscalls.NUMBERS[machine]
    newer = {name for name, number in table.items() if number > max(known.values())}
    assert {name: table[name] for name in table.keys() - newer} == {
        name: known.get(name) for name in table.keys() - newer
    }


@pytest.mark.parametrize("machine", seccomp.NUMBERS)
@pytest.mark.parametrize("contained", [True, False])
def test_programs_are_whole_and_short_enough(machine, contained):
    program = seccomp.assemble(machine, contained, own_signals=7, truncation=False)
    assert len(program) % INSTRUCTION == 0
    assert len(program) // INSTRUCTION < LONGEST_PROGRAM


CONFINED = """
import errno, json, os, signal, socket, sys
from aoai_magic.sandbox.isolation import seccomp, syscalls
syscalls.prctl(syscalls.PR_SET_NO_NEW_PRIVS, 1)
contained = sys.argv[1] == "contained"
seccomp.restrict(contained, own_signals=os.getpid(), truncation=contained)
said = {}
def check(name, action):
    try:
        action()
        said[name] = 0
    except OSError as error:
        said[name] = error.errno
check("kill", lambda: os.kill(os.getppid(), 0))
signal.signal(signal.SIGUSR1, lambda *_: said.update(heard=True))
check("raise", lambda: signal.raise_signal(signal.SIGUSR1))
check("inet", lambda: socket.socket().close())
check("unix", lambda: socket.socket(socket.AF_UNIX).close())
check("netlink", lambda: socket.socket(socket.AF_NETLINK).close())
check("pair", lambda: socket.socketpair())
check("priority", lambda: os.setpriority(os.PRIO_PROCESS, 0, 5))
check("affinity of itself", lambda: os.sched_setaffinity(0, os.sched_getaffinity(0)))
check("affinity of others", lambda: os.sched_setaffinity(os.getppid(), [0]))
check("fork", lambda: os.waitpid(os.fork() or os._exit(0), 0))
def cut_unwritten():
    os.close(os.open(path, os.O_RDONLY | os.O_TRUNC))
path = sys.argv[2]
check("read", lambda: open(path).close())
check("truncate", lambda: os.truncate(path, 1))
check("truncate while reading", cut_unwritten)
check("overwrite", lambda: open(path, "w").close())
check("pidfd", lambda: signal.pidfd_send_signal(os.pidfd_open(os.getppid()), 0))
print(json.dumps(said))
"""
EPERM, EAFNOSUPPORT = 1, 97


def _confined(how: str, folder: Path) -> dict[str, int]:
    (folder / "file").write_text("text")
    command = [sys.executable, "-c", CONFINED, how, str(folder / "file")]
    return json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def test_behind_namespaces_the_doors_to_the_kernel_are_shut(tmp_path):
    said = _confined("contained", tmp_path)
    assert said.pop("netlink") == EAFNOSUPPORT
    assert said.pop("heard")
    assert set(said.values()) == {0}


def test_without_namespaces_other_processes_and_files_are_out_of_reach(tmp_path):
    assert _confined("alone", tmp_path) == {
        "kill": EPERM,
        "raise": 0,
        "heard": True,
        "inet": EAFNOSUPPORT,
        "unix": EAFNOSUPPORT,
        "netlink": EAFNOSUPPORT,
        "pair": 0,
        "priority": EPERM,
        "affinity of itself": 0,
        "affinity of others": EPERM,
        "fork": 0,
        "read": 0,
        "truncate": EPERM,
        "truncate while reading": EPERM,
        "overwrite": 0,
        "pidfd": EPERM,
    }
