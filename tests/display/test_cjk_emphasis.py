"""Emphasis beside the punctuation of Chinese, Japanese and Korean, to every parser alike."""

import re

import mistune
import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from aoai_magic.display.markdown.to_html import safe_html
from aoai_magic.display.markdown.to_markdown import safe_markdown

STRICT = MarkdownIt("commonmark").enable(["strikethrough", "table"])
MISTUNE = mistune.create_markdown(plugins=["strikethrough", "table"])

CASES = [
    ("これは**「重要」**です。結果は**増加**した。", ["「重要」", "増加"]),
    ("これは**重要。**次です", ["重要。"]),
    ("**リンク[例](https://example.org)**です", ["リンク例 (example.org)"]),
    ('彼は**"test"**と言った', ['"test"']),
    ("数は**（10%）**増、**(5%)**減", ["（10%）", "(5%)"]),
    ("我**“重点”**说，**《书》**好", ["“重点”", "《书》"]),
    ("한국어**(강조)**는", ["(강조)"]),
    ("これは**`code`**です", ["code"]),
    ("**価格（税込）：**100円", ["価格（税込）："]),
    ("- **名前：**値\n- 値は**「甲」**だ", ["名前：", "「甲」"]),
    ("|**「甲」**乙|\n|-|\n|丙**（1）**丁|", ["「甲」", "（1）"]),
    ('a**b**c and **bold**: **"x"** y', ["b", "bold", '"x"']),
    # As CommonMark has it where none of these languages is near.
    ('a**"b"**c', []),
    ("**😀**x", []),
]


def bold(markup):
    """The bold texts of HTML."""
    found = re.findall(r"<strong>(.*?)</strong>", markup)
    texts = (re.sub(r"<[^>]*>|\u2060", "", text) for text in found)
    return [text.replace("&quot;", '"') for text in texts]


@pytest.mark.parametrize(("text", "texts"), CASES)
def test_the_right_words_are_bold_live_and_saved(text, texts):
    saved = safe_markdown(text)
    assert bold(safe_html(text)) == texts
    # JupyterLab, VS Code and GitHub follow CommonMark; nbconvert has its own parser.
    assert bold(STRICT.render(saved)) == texts
    assert bold(MISTUNE(saved)) == texts


def marks(markup):
    return [re.findall(f"<{name}>", markup.replace("del>", "s>")) for name in ("strong", "em", "s")]


PLAIN = st.sampled_from(["あ", "「甲」", "。", "b", " ", "（1）", "! ", "b."])
MARKED = st.sampled_from(
    ["**「甲」**", "**乙。**", "*（1）*", "**b**", "***「丙」***", "~~「丁」~~"]
)


@given(st.lists(st.tuples(PLAIN, MARKED)), PLAIN)
def test_what_was_understood_is_what_a_strict_parser_reads(pairs, last):
    text = "".join(plain + marked for plain, marked in pairs) + last
    assert marks(STRICT.render(safe_markdown(text))) == marks(safe_html(text))


def test_prose_without_these_languages_is_written_as_it_was():
    text = 'A **bold** word, **"quoted"** and *"this"*; **done.**'
    assert safe_markdown(text) == text
