"""Reading for search: every type of file, encodings, archives, and what is made to hurt."""

from __future__ import annotations

import gzip
import io
import tarfile
import zipfile

import docx
import openpyxl
import pptx
import pytest
from PIL import Image
from pypdf import PdfReader, PdfWriter

from aoai_magic.engine.search import parsers
from aoai_magic.engine.search.passages import cut
from aoai_magic.engine.search.reading import SEARCHABLE, Reader, Unreadable

from .test_file_search import pdf, saved

PUBLISHED = """c cpp csv docx html java json md pdf php pptx py rb tex txt css jpeg jpg js gif png
tar ts xlsx xml zip"""
SAID = "A zebra lives here."
WHOLE = {"max_chunk_size_tokens": 800, "chunk_overlap_tokens": 400}


@pytest.fixture(scope="module")
def reader():
    reader = Reader()
    yield reader
    reader.close()


@pytest.fixture
def read(reader, tmp_path):
    """Return the document that a file of this name and content is."""

    async def read(name, data):
        path = tmp_path / "stored"
        path.write_bytes(data)
        return await reader.read(path, name)

    return read


def _docx():
    document = docx.Document()
    document.add_paragraph(SAID)
    document.add_table(1, 2).rows[0].cells[1].text = "in a table"
    return saved(document)


def _pptx(*titles):
    deck = pptx.Presentation()
    for title in titles:
        deck.slides.add_slide(deck.slide_layouts[5]).shapes.title.text = title
    return saved(deck)


def _xlsx():
    book = openpyxl.Workbook()
    book.active.title = "Zoo"
    book.active["B3"], book.active["C3"], book.active["A9"] = SAID, 7.5, "last"
    return saved(book)


def _zip(files):
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return target.getvalue()


def _tar(files, mode="w"):
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode=mode) as archive:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
        link = tarfile.TarInfo("link.txt")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
    return target.getvalue()


def _picture(kind):
    target = io.BytesIO()
    Image.new("RGB", (4, 4)).save(target, kind)
    return target.getvalue()


def _pages(*texts):
    writer = PdfWriter()
    for text in texts:
        writer.add_page(PdfReader(io.BytesIO(pdf(text))).pages[0])
    return writer


INSIDE = {"in/a.md": SAID.encode(), "in/b.pdf": pdf("On a page.")}
FILES = {
    "c": f"/* {SAID} */ int main(void) {{ return 0; }}",
    "cpp": f"// {SAID}",
    "csv": f"animal,said\nzebra,{SAID}\n",
    "docx": _docx(),
    "html": f"<html><script>hidden()</script><p>A <b>zebra</b>{SAID[7:]}</p></html>",
    "java": f"class Zebra {{ /* {SAID} */ }}",
    "json": f'{{"said": "{SAID}"}}',
    "md": f"# Zoo\n\n{SAID}\n",
    "pdf": pdf(SAID),
    "php": f"<?php echo '{SAID}';",
    "pptx": _pptx(SAID),
    "py": f'"""{SAID}"""',
    "rb": f"# {SAID}",
    "tex": rf"\section{{{SAID}}}",
    "txt": SAID,
    "css": f"/* {SAID} */",
    "js": f"// {SAID}",
    "tar": _tar(INSIDE),
    "ts": f"// {SAID}",
    "xlsx": _xlsx(),
    "xml": f"<said>{SAID}</said>",
    "zip": _zip(INSIDE),
}
PICTURES = {"jpeg": "JPEG", "jpg": "JPEG", "gif": "GIF", "png": "PNG"}


def test_every_published_type_is_tried_here():
    assert set(PUBLISHED.split()) == {*FILES, *PICTURES}
    assert {f".{kind}" for kind in PUBLISHED.split()} <= SEARCHABLE


@pytest.mark.parametrize("kind", FILES)
async def test_type_is_read(read, kind):
    data = FILES[kind]
    document = await read(f"A.{kind.upper()}", data if isinstance(data, bytes) else data.encode())
    assert SAID in document.text
    assert "hidden" not in document.text
    assert document.note == ""


@pytest.mark.parametrize("kind", PICTURES)
async def test_picture_says_what_to_do(read, kind):
    with pytest.raises(Unreadable, match="recognise its text first"):
        await read(f"a.{kind}", _picture(PICTURES[kind]))


@pytest.mark.parametrize(
    ("codec", "text"),
    [
        ("shift_jis", "従業員の育児休業は最長で一年間とする。売上は別に定める。"),
        ("euc_jp", "従業員の育児休業は最長で一年間とする。売上は別に定める。"),
        ("big5", "員工每年享有二十五天的特別休假，旅費由公司支付。"),
        ("gb18030", "员工每年享有二十五天的年假，差旅费由公司支付。"),
        ("euc_kr", "직원은 매년 이십오 일의 휴가를 받으며 출장비는 회사가 부담한다."),
        ("utf-16", "従業員の育児休業は最長で一年間とする。"),
        ("utf-16-le", "Employees have 25 days of vacation."),
        ("utf-8-sig", "員工每年享有二十五天的特別休假。"),
    ],
)
@pytest.mark.parametrize("name", ["a.txt", "a.html"])
async def test_encoding_is_detected(read, name, codec, text):
    assert (await read(name, text.encode(codec))).text == text


async def test_places_are_pages_slides_rows_and_lines(read):
    target = io.BytesIO()
    _pages("One.", "Two.").write(target)
    document = await read("a.pdf", target.getvalue())
    assert document.text == "One.\nTwo."
    assert document.marks == [(0, "page 1"), (5, "page 2")]
    assert [place for _, place in (await read("a.pptx", _pptx("x", "y"))).marks] == [
        "slide 1",
        "slide 2",
    ]
    assert (await read("a.xlsx", _xlsx())).marks == [(0, "Zoo, row 3"), (26, "Zoo, row 9")]
    lines = await read("a.txt", "\n".join(f"number {n} zebra" for n in range(1, 999)).encode())
    for passage in cut(lines, WHOLE):
        line = int(passage.place.removeprefix("line "))
        assert lines.text.split("\n")[line - 1].endswith(passage.text.split("\n")[0])


async def test_rows_are_passages_of_their_own(read):
    long = "word " * 2_000
    rows = '{"row": "a", "text": "first"}\n{"row": 17, "text": ""}\n{"row": 18, "text": "third"}\n'
    document = await read("a.jsonl", f'{rows}plain\n{{"row": 19, "text": "{long}"}}\n'.encode())
    passages = list(cut(document, WHOLE))
    assert [(one.place, one.text) for one in passages[:3]] == [
        ("row a", "first"),
        ("row 18", "third"),
        ("line 4", "plain"),
    ]
    assert {one.place for one in passages[3:]} == {"row 19"}
    assert len(passages) > 4
    assert all(document.text[one.start :].startswith(one.text) for one in passages)


@pytest.mark.parametrize("made", [_zip, _tar, lambda files: _tar(files, "w:gz")])
async def test_archive_is_unpacked_and_what_fails_in_it_fails_alone(read, made):
    files = {**INSIDE, "bad.pdf": b"%PDF nonsense", "x.bin": b"1", "in.zip": _zip(INSIDE)}
    document = await read(
        "a.tar.gz" if made not in (_zip, _tar) else f"a.{made.__name__[1:]}", made(files)
    )
    assert [place for _, place in document.marks] == ["in/a.md", "in/b.pdf, page 1"]
    assert "bad.pdf (The file is damaged" in document.note
    assert "x.bin (its type is not supported)" in document.note
    assert "in.zip" in document.note
    assert "root:" not in document.text


def _locked_zip():
    data = bytearray(_zip({"a.txt": b"secret"}))
    for mark, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.index(mark) + offset] |= 1
    return bytes(data)


def _locked_pdf():
    writer, target = _pages(SAID), io.BytesIO()
    writer.encrypt("secret", algorithm="RC4-128")
    writer.write(target)
    return target.getvalue()


def _half(kind):
    return lambda: FILES[kind][: len(FILES[kind]) // 2]


@pytest.mark.parametrize(
    ("name", "make", "message"),
    [
        ("a.pdf", _locked_pdf, "is encrypted"),
        ("a.docx", lambda: b"\xd0\xcf\x11\xe0" + bytes(2_000), "is encrypted"),
        ("a.pptx", lambda: b"\xd0\xcf\x11\xe0" + bytes(2_000), "is encrypted"),
        ("a.zip", _locked_zip, r"no text\. Not read: a\.txt \(encrypted"),
        *((f"a.{kind}", _half(kind), "damaged") for kind in ("docx", "xlsx", "zip")),
        ("a.tar", lambda: b"nonsense" * 500, "no tar archive"),
        ("a.zip", lambda: _zip({f"{n}.txt": b"x" for n in range(1_001)}), "1,000 files"),
        ("a.tar", lambda: gzip.compress(_tar({"a.txt": bytes(300 << 20)}), 1), "256 MB"),
        ("a.zip", lambda: _zip({"a.txt": b"word " * 2_000_000}), "characters"),
        (
            "a.docx",
            lambda: _zip({"word/document.xml": b"<a>" * 20_000_000}),
            "damaged|memory|sudden",
        ),
    ],
)
async def test_damaged_encrypted_and_endless_files_say_why(read, name, make, message):
    with pytest.raises(Unreadable, match=message):
        await read(name, make())
    assert (await read("b.pdf", pdf(SAID))).text == SAID


async def test_what_takes_over_the_parser_is_not_believed(reader, read, tmp_path, monkeypatch):
    answers = (
        b"",
        b"[]",
        b'{"pieces": [["p"]], "fault": null, "note": ""}',
        b'{"pieces": [[1, {"a": 1}]], "fault": null, "note": ""}',
        b"[" * 100_000,
    )
    for answer in answers:
        monkeypatch.setattr(reader._process, "read", lambda *_, answer=answer: (0, answer, ""))
        with pytest.raises(Unreadable, match="damaged"):
            await read("a.pdf", b"x")


def test_the_bounds_are_the_parsers_own():
    assert parsers.MOST_OUTPUT > 4 * parsers.MOST_CHARACTERS
