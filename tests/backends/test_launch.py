"""What an engine is given when a kernel starts it."""

import os

import psutil
import pytest

from aoai_magic.backends.local_engine import SESSION_MEMORY, _room, machine_memory, start
from aoai_magic.errors import EngineError


def test_a_containers_memory_counts_where_it_has_less_than_its_machine(tmp_path):
    whole = psutil.virtual_memory().total
    assert machine_memory(tmp_path) == whole

    (tmp_path / "memory.max").write_text("max\n")
    assert machine_memory(tmp_path) == whole

    (tmp_path / "memory.max").write_text("12345678\n")
    assert machine_memory(tmp_path) == 12_345_678


def test_sessions_of_a_kernel_may_hold_half_of_the_memory():
    given = int(_room()["AOAI_MAGIC_SESSION_MEMORY"])

    assert given == max(SESSION_MEMORY, machine_memory() // 2)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make a folder of another account")
def test_no_engine_is_started_in_a_folder_of_another_account(tmp_path):
    home = tmp_path / "home"
    home.mkdir(mode=0o777)
    os.chown(home, 12345, 12345)
    with pytest.raises(EngineError, match="belongs to another account"):
        start(home, "local", dict(os.environ))
    assert list(home.iterdir()) == []
