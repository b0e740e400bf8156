import io
import os
import sys

import pytest
from PIL import Image

from aoai_magic.attach import resolve as resolve_
from aoai_magic.attach.pictures import for_model
from aoai_magic.errors import AttachError

PNG = b"\x89PNG\r\n\x1a\n"


@pytest.fixture
def attach(tmp_path):
    def call(value, **options):
        [found] = resolve_.resolve(["x"], "", {"x": value}, tmp_path, folder=tmp_path, **options)
        return found

    return call


@pytest.mark.parametrize(
    ("value", "filename", "data"),
    [
        ("hé\nllo", "x.txt", "hé\nllo".encode()),
        ("\ud800", "x.txt", b"\\ud800"),
        (b"abc", "x.bin", b"abc"),
        (bytearray(b"%PDF-1.7"), "x.pdf", b"%PDF-1.7"),
        (b"\x89PNG\r\n\x1a\n", "x.png", PNG),
        (io.StringIO("text"), "x.txt", b"text"),
        (io.BytesIO(b"data"), "x.bin", b"data"),
    ],
)
def test_texts_bytes_and_file_objects(attach, value, filename, data):
    found = attach(value)

    assert (found.filename, found.path.read_bytes(), found.bytes) == (filename, data, len(data))


def test_a_file_object_is_left_where_it_stood(attach):
    file = io.BytesIO(b"header\nrest")
    file.readline()

    assert attach(file).path.read_bytes() == b"rest"
    assert file.read() == b"rest"


def test_a_closed_file_is_refused(attach):
    file = io.BytesIO()
    file.close()

    with pytest.raises(AttachError, match="BytesIO, which cannot be attached"):
        attach(file)


def test_an_open_file_keeps_its_suffix(attach, tmp_path):
    (tmp_path / "data.csv").write_text("a,b\n")

    with (tmp_path / "data.csv").open() as file:
        found = attach(file)

    assert (found.filename, found.kind) == ("x.csv", "file object")


def test_figures_and_pictures_become_png(attach):
    figure_module = pytest.importorskip("matplotlib.figure")
    image_module = pytest.importorskip("PIL.Image")
    figure = figure_module.Figure()
    axes = figure.subplots()
    axes.plot([1, 2])

    for value in (figure, axes, *(image_module.new(mode, (4, 3)) for mode in ("RGB", "CMYK", "1"))):
        found = attach(value)
        assert found.filename == "x.png"
        assert found.path.read_bytes().startswith(PNG)
    assert "4 × 3 pixels" in found.card


@pytest.fixture
def of_model(tmp_path):
    def call(*names):
        items = [f"@{name}" for name in names]
        return for_model(resolve_.resolve(items, "", {}, tmp_path, folder=tmp_path))

    return call


@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_a_large_picture_is_shown_smaller_and_sent_as_it_is(tmp_path, of_model, mode):
    image = Image.frombytes(mode, (3000, 400), os.urandom(3000 * 400 * len(mode)))
    image.save(tmp_path / "large.png")
    [shown], [] = of_model("large.png")
    with Image.open(io.BytesIO(shown.data)) as seen:
        assert seen.size == (2048, 273)
        assert shown.media_type == ("image/png" if mode == "RGBA" else "image/jpeg")
    assert shown.part["image_url"].startswith(f"data:{shown.media_type};base64,")


def test_a_small_picture_is_shown_as_it_is(tmp_path, of_model):
    Image.new("RGB", (4, 3)).save(tmp_path / "small.png")
    assert of_model("small.png")[0][0].data == (tmp_path / "small.png").read_bytes()


def test_what_cannot_be_shown_is_named(tmp_path, of_model, monkeypatch):
    (tmp_path / "page.png").write_text("<html>")
    (tmp_path / "large.jpg").write_bytes(b"\xff\xd8\xff" + bytes(5 << 20))
    names = ["page.png", "large.jpg", "1.png", "2.png", "3.png"]
    for name in names[2:]:
        Image.new("RGB", (4, 3)).save(tmp_path / name)
    shown, unshown = of_model(*names)
    assert [one.name for one in shown] == ["1.png", "2.png"]
    assert unshown == ["page.png", "large.jpg", "3.png"]


def test_a_picture_that_unpacks_to_gigabytes_is_not_unpacked(tmp_path, of_model, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 4)
    Image.new("RGB", (40, 30)).save(tmp_path / "bomb.png")
    assert of_model("bomb.png")[0][0].data == (tmp_path / "bomb.png").read_bytes()


def test_a_value_of_a_picture_stays_here_where_only_schemas_go(attach):
    assert attach(PNG).is_picture
    assert not attach(PNG, schema_only=True).is_picture


def test_equal_contents_have_equal_hashes(attach):
    assert attach("a").sha256 == attach("a").sha256
    assert attach("a").sha256 != attach("b").sha256
    assert attach("a").sha256 != attach(b"a").sha256


def test_a_files_hash_is_of_its_content_and_name(tmp_path):
    for folder, text in (("a", "1"), ("b", "1"), ("c", "2")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "data.txt").write_text(text)
    (tmp_path / "a" / "other.txt").write_text("1")

    def digest(path):
        [found] = resolve_.resolve([f"@{path}"], "", {}, tmp_path, folder=tmp_path)
        return found.sha256

    assert digest("a/data.txt") == digest("b/data.txt")
    assert len({digest("a/data.txt"), digest("c/data.txt"), digest("a/other.txt")}) == 3
    assert digest("a") != digest("b")


def test_the_card_of_a_text_shows_its_first_lines_in_bounds(attach):
    card = attach("first\x1b[31m\nsecond\n" + "x" * 10_000).card

    assert card.splitlines()[1:4] == ["It begins:", "first [31m", "second"]
    assert len(card) <= 2_000


def test_schema_only_shows_nothing_of_a_file(attach, tmp_path):
    (tmp_path / "f").mkdir()
    (tmp_path / "f" / "secret.csv").write_text("secret,2\n")

    def cards(*items, **options):
        found = resolve_.resolve(items, "", {}, tmp_path, folder=tmp_path, **options)
        return "\n".join(a.card for a in found)

    assert "secret" not in attach("secret words", schema_only=True).card
    assert "secret,2" in cards("@f/secret.csv")
    assert "secret,2" not in cards("@f/secret.csv", schema_only=True)
    assert "secret.csv" in cards("@f")
    assert "secret" not in cards("@f", schema_only=True)


def test_binary_and_broken_text_have_no_preview(attach):
    assert "It begins" not in attach(b"\0\1\2").card
    assert "It begins" not in attach(bytes(range(256))).card
    assert "Its encoding, Windows-1252, is a guess.\nIt begins:\ncaf\xe9" in attach(b"caf\xe9").card
    assert "It begins" in attach(("é" * 5_000).encode()).card


def test_a_folder_of_too_many_files_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("aoai_magic.attach.files.FOLDER_FILES", 2)
    (tmp_path / "f").mkdir()
    for number in range(3):
        (tmp_path / "f" / f"{number}.txt").touch()

    with pytest.raises(AttachError, match="holds more than 2 files"):
        resolve_.resolve(["@f"], "", {}, tmp_path, folder=tmp_path)


def test_plotly_and_altair_are_looked_up_not_imported():
    before = {"plotly", "altair"} & set(sys.modules)  # other tests import them
    assert resolve_.attachable(object()) is None
    assert {"plotly", "altair"} & set(sys.modules) == before
