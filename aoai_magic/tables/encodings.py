"""The encoding of a text file: known by its mark, proved by UTF-8, or guessed and said so."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from dataclasses import dataclass

_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_LABELS = {
    "utf-8": "UTF-8",
    "utf-8-sig": "UTF-8",
    "utf-16": "UTF-16",
    "utf-16-le": "UTF-16",
    "utf-16-be": "UTF-16",
    "utf-32": "UTF-32",
    "cp932": "Shift_JIS",
    "euc_jp": "EUC-JP",
    "iso2022_jp": "ISO-2022-JP",
    "cp950": "Big5",
    "big5hkscs": "Big5-HKSCS",
    "gb18030": "GB18030",
    "cp949": "EUC-KR",
    "cp1252": "Windows-1252",
    "latin-1": "Latin-1",
}
# What chardet names, and Python's codecs that hold it and what programs add to it. chardet 7.0
# writes some names in other ways than later ones.
_CODECS = {
    "shift_jis": ("cp932",),
    "cp932": ("cp932",),
    "shift_jis_2004": ("cp932", "shift_jis_2004"),
    "euc-jp": ("euc_jp",),
    "euc_jis_2004": ("euc_jp", "euc_jis_2004"),
    "euc-jis-2004": ("euc_jp", "euc_jis_2004"),
    "iso-2022-jp": ("iso2022_jp", "iso2022_jp_2"),
    "iso2022-jp-2": ("iso2022_jp", "iso2022_jp_2"),
    "big5": ("cp950", "big5hkscs"),
    "big5-hkscs": ("cp950", "big5hkscs"),
    "big5hkscs": ("cp950", "big5hkscs"),
    "cp950": ("cp950", "big5hkscs"),
    "gb2312": ("gb18030",),
    "gbk": ("gb18030",),
    "gb18030": ("gb18030",),
    "euc-kr": ("cp949",),
    "cp949": ("cp949",),
    "iso-8859-1": ("cp1252",),
    "windows-1252": ("cp1252",),
    "utf-16": ("utf-16-le", "utf-16-be"),
}
_WESTERN = re.compile(r"windows-125[0247]|iso-8859-(1|2|3|4|9|1[03456])")
_NEARLY = 0.015
"""How much likelier than Windows-1252 another alphabet of Latin letters must be."""

_SAMPLE = 200_000
_NOT_TEXT = re.compile("[\x00-\x08\x0e-\x1a\x1c-\x1f]")
_CONTROLS = bytes({*range(32)} - {*b"\t\n\v\f\r\x1b"})
_JAPANESE = re.compile("[\u3000-\u30ff\u4e00-\u9fff\uff00-\uffef]+")


@dataclass(frozen=True)
class Decoded:
    """A file's text.

    Attributes
    ----------
    encoding
        The name of Python's codec.
    guessed
        Whether other encodings would have given a text too.
    """

    text: str
    encoding: str
    guessed: bool

    @property
    def label(self) -> str:
        """The encoding's usual name."""
        return _LABELS.get(self.encoding, self.encoding)


def decode(data: bytes, *, whole: bool = True) -> Decoded | None:
    """Return the text of a file, or None for what is no text.

    With ``whole`` false `data` is the beginning of a file, which may end within a character.
    """
    for codec, guessed in _candidates(data):
        text = _text(data, codec, whole)
        if text is not None and _is_text(data, text, codec):
            return Decoded(text, codec, guessed)
    return None


def _is_text(data: bytes, text: str, codec: str) -> bool:
    """Return whether there are no control characters in it."""
    if codec.startswith(("utf-16", "utf-32")):
        return not _NOT_TEXT.search(text)
    # In the others such a byte is that character; to look for it among bytes is much faster.
    return len(data.translate(None, _CONTROLS)) == len(data)


def _candidates(data: bytes) -> Iterator[tuple[str, bool]]:
    """Yield codecs, the likeliest first, each with whether it is a guess."""
    for mark, codec in _MARKS:
        if data.startswith(mark):
            yield codec, False
            return
    if b"\x1b$" in data:  # escape sequences that UTF-8 takes for text
        yield "iso2022_jp", False
    yield "utf-8", False
    if b"\0" in data:  # UTF-16 without its mark: every other byte of plain letters is zero
        odd = data[1:_SAMPLE:2].count(0) >= data[0:_SAMPLE:2].count(0)
        yield ("utf-16-le" if odd else "utf-16-be"), True
        return
    for codec in _guesses(_telling(data)):
        yield codec, True


def _text(data: bytes, codec: str, whole: bool) -> str | None:
    try:
        return codecs.getincrementaldecoder(codec)().decode(data, final=whole)
    except UnicodeError:
        return None


def _telling(data: bytes) -> bytes:
    """Return the lines that are not plain ASCII, which alone say something of the encoding."""
    lines, size = list[bytes](), 0
    for match in re.finditer(rb"[^\n]*[\x80-\xff][^\n]*\n?", data):
        lines.append(match[0][:_SAMPLE])
        size += len(lines[-1])
        if size > _SAMPLE:
            break
    return b"".join(lines)


def _guesses(data: bytes) -> Iterator[str]:
    """Yield codecs for text that is not UTF-8.

    By chardet, which was measured to be right on 46 of 53 tables of two to four lines
    (charset-normalizer: 27); it takes single letters for Polish ones, and does not know
    half-width katakana.
    """
    import chardet

    found = chardet.detect_all(data, encoding_era=chardet.EncodingEra.MODERN_WEB)
    likely = {(one["encoding"] or "").lower(): one["confidence"] for one in found}
    best = max(likely, key=lambda name: likely[name], default="")
    if likely.get(best, 0) < 0.01 and _is_japanese(data):
        yield "cp932"
    if _WESTERN.fullmatch(best) and likely[best] - likely.get("windows-1252", 0) < _NEARLY:
        yield "cp1252"
    for name in sorted(likely, key=lambda name: -likely[name]):
        if likely[name] >= 0.01:
            yield from _CODECS.get(name, (name,))
    yield from ("cp1252", "latin-1")


def _is_japanese(data: bytes) -> bool:
    """Whether all that is not ASCII is Japanese if the text is Shift_JIS."""
    text = _text(data, "cp932", whole=True)
    words = re.findall("[^\x00-\x7f]+", text or "")
    return bool(words) and all(_JAPANESE.fullmatch(word) for word in words)
