"""Nothing gets out of a session on any level; without isolation the same attempts do."""

from __future__ import annotations

import json
import os

import pytest

from . import attempts, escape, ordinary

ISOLATED = [level for level in escape.RUNGS if level != "none"]

root_only = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")

# Harmless without isolation too: the environment is scrubbed for every session.
NEVER = {"find_canary_in_environment"}
# What this kernel, or this container's capabilities, may lack.
MAY_LACK = {
    "open_crypto",
    "open_vsock",
    "raise_own_limits",
    "open_sysrq",
    "open_kernel_memory",
    "open_hotplug",
    "call_init_module",
    "call_kexec_load",
    "call_memfd_secret",
    "call_userfaultfd",
    "pair_sockets_of_a_family_that_is_refused",
}


def got_through(results: dict[str, str]) -> set[str]:
    return {name for name, held in results.items() if not held}


@pytest.mark.parametrize("level", ISOLATED)
async def test_nothing_gets_out(level, tmp_path):
    results = await escape.attempt_all(level, tmp_path)
    assert set(results) == set(attempts.ATTEMPTS)
    assert got_through(results) == set()


@root_only
@pytest.mark.parametrize("level", ISOLATED)
def test_nothing_gets_out_for_an_ordinary_user(level, open_folder):
    home = open_folder / "home"
    home.mkdir()
    results = json.loads(ordinary.run(home, escape.__file__, level))
    assert set(results) == set(attempts.ATTEMPTS)
    assert got_through(results) == set()


@pytest.mark.skipif(os.geteuid() != 0, reason="the attempts of an ordinary user fail by itself")
async def test_without_isolation_the_attempts_get_out(tmp_path):
    results = await escape.attempt_all("none", tmp_path)
    held = set(results) - got_through(results)
    assert held >= NEVER
    assert held - NEVER <= MAY_LACK
