"""Writing what came back: where it should go, and never over what is there."""

import subprocess
import sys

import pytest

from aoai_magic.display.saved.bundles import bundles
from aoai_magic.errors import AssistantError
from aoai_magic.runner.save_files import paths, save
from aoai_magic.runner.turn import Turn
from aoai_magic.turn.view import File, Image, View

VIEW = View(
    parts=(Image("i", "chart.png", b"png"),),
    files=(File("a/x.csv", b"1"), File("b/x.csv", b"2"), File("../../evil", b"3")),
)


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_names_stay_inside_and_do_not_collide(folder):
    saved = save(VIEW, "out")
    written = {path.name: path.read_bytes() for path in (folder / "out").iterdir()}
    assert len(written) == 4
    assert sorted(written.values()) == [b"1", b"2", b"3", b"png"]
    assert all(path.parent.name == "out" for path in paths(saved))


def test_nothing_is_written_over_what_is_there(folder):
    (folder / "out").mkdir()
    (folder / "out" / "chart.png").write_bytes(b"mine")
    with pytest.raises(AssistantError, match="--overwrite"):
        save(VIEW, "out")
    assert [path.name for path in (folder / "out").iterdir()] == ["chart.png"]
    assert (folder / "out" / "chart.png").read_bytes() == b"mine"
    Turn(VIEW).save("out", overwrite=True)
    assert (folder / "out" / "chart.png").read_bytes() == b"png"


def test_a_folder_that_cannot_be_is_a_sentence(folder):
    (folder / "file").write_text("in the way")
    with pytest.raises(AssistantError, match="cannot be written"):
        save(VIEW, "file/out")


def test_saved_files_are_linked_beside_the_notebook():
    view = save(View(files=(File("my table.csv", b"1"),)), "out dir")
    listed = bundles(view)[0].data
    assert "(out%20dir/my%20table.csv)" in listed["text/markdown"]
    assert "out dir/my table.csv" in listed["text/plain"]


SHADOWS = ["pandas.py", "bottleneck.py", "random.PY", "numpy.cpython-311-x86_64-linux-gnu.so"]
RUN_UNASKED = [
    *("conftest.py", "test_sums.py", "sitecustomize.py", "usercustomize.pyc", "x/__init__.py"),
    *("jupyter_server_config.py", "jupyter_notebook_config.json", "ipython_kernel_config.py"),
    *("evil.pth", "pytest.ini", "matplotlibrc", "AGENTS.md", "assistant.md", "Makefile"),
]


@pytest.mark.parametrize("name", SHADOWS)
def test_no_import_finds_a_saved_file_beside_a_notebook(folder, name):
    (folder / "book").mkdir()
    (folder / "book" / "a.ipynb").write_text("{}")
    for target in (".", folder, "book"):
        [path] = paths(view := save(View(files=(File(name, b"evil"),)), target, overwrite=True))
        assert path.parent.name == "assistant_files"
        [notice] = view.parts
        assert str(path) in notice.text
    plain = save(View(files=(File(name, b"evil"), File("top.csv", b"1"))), "results")
    assert {path.parent.name for path in paths(plain)} == {"results"}
    assert plain.parts == ()


def test_python_does_not_import_what_was_saved(folder):
    save(
        View(files=tuple(File(name, b"print('evil')") for name in ["random.py", *RUN_UNASKED])), "."
    )
    code = [sys.executable, "-c", "import random, sys; print(random.__file__ != '', sys.path[0])"]
    ran = subprocess.run(code, capture_output=True, text=True, cwd=folder, timeout=60)
    assert (ran.stdout.split()[0], ran.stderr) == ("True", "")
    pytest_ = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir=."]
    ran = subprocess.run(pytest_, capture_output=True, text=True, cwd=folder, timeout=60)
    assert "no tests ran" in ran.stdout
    assert "evil" not in ran.stdout + ran.stderr


@pytest.mark.parametrize("name", RUN_UNASKED)
def test_what_a_tool_runs_because_of_its_name_gets_another(folder, name):
    for target in (".", "results"):
        [path] = paths(view := save(View(files=(File(name, b"evil"),)), target))
        assert path.name == name.rpartition("/")[2] + ".txt"
        assert path.name in view.parts[-1].text
    written, *rest = Turn(View(files=(File(name, b"evil"),))).save("answer.md")
    assert [path.suffix for path in rest] == [".txt"]
    assert "Read it before you rename it" in written.read_text()


def test_a_script_keeps_its_name_and_says_where_it_is(folder):
    view = save(View(files=(File("analysis.py", b"1"), File("my data-2024.py", b"2"))), ".")
    assert sorted(map(str, paths(view))) == ["assistant_files/analysis.py", "my data-2024.py"]
    assert save(view, ".").parts == view.parts


@pytest.mark.parametrize("target", ["~nobody-of-that-name/x", "n" * 300])
def test_a_folder_with_an_impossible_name_is_a_sentence(target):
    with pytest.raises(AssistantError):
        save(VIEW, target)
