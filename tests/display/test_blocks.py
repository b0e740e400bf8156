"""Growing text cut into blocks."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aoai_magic.display.live.chunks import TAIL_CHARS, CodeSplitter, ProseSplitter
from aoai_magic.display.markdown.to_html import safe_html

from . import hostile, story


def split(text, size):
    splitter = ProseSplitter()
    chunks = (text[i : i + size] for i in range(0, len(text), size))
    blocks = [block for chunk in chunks for block in splitter.feed(chunk)]
    return [*blocks, splitter.tail]


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_blocks_are_the_text_and_end_where_markdown_blocks_do(size):
    blocks = split(story.ANSWER, size)
    assert "".join(blocks) == story.ANSWER
    inner = "".join(safe_html(block) for block in blocks)
    for edge in ('<div class="aoai-prose jp-RenderedHTMLCommon">', "</div>"):
        inner = inner.replace(edge, "")
    assert inner in safe_html(story.ANSWER)


@given(st.lists(st.sampled_from(["a\n", "\n", "```py\n", "```\n", "- x\n", "  y\n"]), max_size=30))
def test_no_text_is_lost_or_doubled(lines):
    assert "".join(split("".join(lines), 3)) == "".join(lines)


@pytest.mark.parametrize(
    "text",
    [
        "```py\n" + "x = 1\n" * 20_000,
        "- item\n" * 20_000,
        "| a | b |\n|---|---|\n" + "| 1 | 2 |\n" * 20_000,
        "x" * 200_000,
        "```" + "y" * 100_000,
        *hostile.PROSE[-5:],
    ],
)
def test_the_open_tail_stays_small_whatever_comes(text):
    splitter = ProseSplitter()
    for i in range(0, len(text), 500):
        splitter.feed(text[i : i + 500])
        assert len(splitter.tail) <= TAIL_CHARS + 500


def test_a_long_fence_goes_on_as_a_fence():
    blocks = split("```py\n" + "x = 1\n" * 2_000 + "```\n\nafter\n", 100)
    assert len(blocks) > 2
    for block in blocks[:-1]:
        lines = block.strip().splitlines()
        assert (lines[0], lines[-1]) == ("```py", "```")
    assert blocks[-1].strip() == "after"


def test_code_is_cut_between_lines():
    splitter = CodeSplitter()
    chunks = splitter.feed("x = 1\n" * 2_000)
    assert chunks
    assert all(chunk.endswith("\n") and len(chunk) <= TAIL_CHARS for chunk in chunks)
    assert "".join(chunks) + splitter.tail == "x = 1\n" * 2_000
