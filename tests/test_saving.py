"""Writing what came back: where it should go, and never over what is there."""

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
