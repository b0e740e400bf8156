"""Which thread a name means, now and after a restart."""

from aoai_magic.state.threads import UNNAMED, Threads


def test_named_threads_outlive_the_kernel_and_unnamed_ones_those_of_notebooks(tmp_path):
    before = Threads(tmp_path, "a.ipynb", is_notebook=True)
    before.put("report", "local", "thread_1")
    before.put(UNNAMED, "local", "thread_2")
    after = Threads(tmp_path, "a.ipynb", is_notebook=True)
    assert after.get("report", "local") == "thread_1"
    assert after.get(UNNAMED, "local") == "thread_2"
    assert after.is_earlier(UNNAMED, "local")
    after.put(UNNAMED, "local", "thread_3")
    assert not after.is_earlier(UNNAMED, "local")
    assert [known.id for known in after.all()] == ["thread_3", "thread_1"]


def test_terminals_in_one_folder_share_no_unnamed_thread(tmp_path):
    before = Threads(tmp_path, "folder")
    before.put(UNNAMED, "local", "thread_2")
    after = Threads(tmp_path, "folder")
    assert before.get(UNNAMED, "local") == "thread_2"
    assert after.get(UNNAMED, "local") is None
    assert not after.is_earlier(UNNAMED, "local")
    assert after.all() == []


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
