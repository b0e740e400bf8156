"""What an engine is given when a kernel starts it."""

import psutil

from aoai_magic.backends.local_engine import SESSION_MEMORY, _machine_memory, _room


def test_a_containers_memory_counts_where_it_has_less_than_its_machine(tmp_path):
    whole = psutil.virtual_memory().total
    assert _machine_memory(tmp_path) == whole

    (tmp_path / "memory.max").write_text("max\n")
    assert _machine_memory(tmp_path) == whole

    (tmp_path / "memory.max").write_text("12345678\n")
    assert _machine_memory(tmp_path) == 12_345_678


def test_sessions_of_a_kernel_may_hold_half_of_the_memory():
    given = int(_room()["AOAI_MAGIC_SESSION_MEMORY"])

    assert given == max(SESSION_MEMORY, _machine_memory() // 2)
