"""Which thread a name means, now and after a restart."""

from aoai_magic.state.threads import UNNAMED, Threads


def test_named_threads_outlive_the_kernel_and_unnamed_ones_do_not(tmp_path):
    before = Threads(tmp_path, "a.ipynb")
    before.put("report", "local", "thread_1")
    before.put(UNNAMED, "local", "thread_2")
    after = Threads(tmp_path, "a.ipynb")
    assert after.get("report", "local") == "thread_1"
    assert before.get(UNNAMED, "local") == "thread_2"
    assert after.get(UNNAMED, "local") is None


def test_notebooks_and_targets_have_threads_of_their_own(tmp_path):
    Threads(tmp_path, "a.ipynb").put("report", "local", "thread_1")
    assert Threads(tmp_path, "b.ipynb").get("report", "local") is None
    assert Threads(tmp_path, "a.ipynb").get("report", "openai") is None


def test_the_thread_used_last_stands_first(tmp_path):
    threads = Threads(tmp_path, "a.ipynb")
    for name in ("one", "two", UNNAMED):
        threads.put(name, "local", f"thread_{name}")
    threads.put("one", "local", "thread_one")
    assert [known.name for known in threads.all()] == ["one", UNNAMED, "two"]
