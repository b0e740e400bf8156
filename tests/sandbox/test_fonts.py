"""Charts draw Chinese, Japanese and Korean text, whatever style the code has set."""

from __future__ import annotations

import pytest
import pytest_asyncio

from aoai_magic.sandbox.local import LocalSandbox
from aoai_magic.sandbox.session import Limits

from .cells import run
from .escape import RUNGS

pytestmark = pytest.mark.asyncio(loop_scope="module")

# Draws one character, and says which of its pixels are dark; a missing glyph is the same
# box for every character.
DRAW = """
import matplotlib.pyplot as plt, numpy as np
def drawn(text, **options):
    figure = plt.figure(figsize=(1, 1), dpi=60)
    figure.text(0.1, 0.2, text, fontsize=40, **options)
    figure.canvas.draw()
    pixels = np.asarray(figure.canvas.buffer_rgba())[..., :3].min(axis=2) < 128
    plt.close(figure)
    return pixels
def all_differ(texts, **options):
    shapes = [drawn(text, **options) for text in texts]
    assert all(shape.any() for shape in shapes), "nothing was drawn"
    return len({shape.tobytes() for shape in shapes}) == len(texts)
CHARACTERS = ["日", "本", "月", "ア", "ん", "漢", "語", "图", "臺", "价"]
"""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def sandbox(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sandbox")
    preload = ["IPython", "numpy", "matplotlib.pyplot"]
    sandbox = LocalSandbox(folder, Limits(), RUNGS["namespaces"], preload=preload)
    await sandbox.start()
    yield sandbox
    await sandbox.close()


@pytest_asyncio.fixture(loop_scope="module")
async def session(sandbox, request):
    session = await sandbox.open(request.node.name)
    await run(session, DRAW)
    yield session
    await sandbox.discard(request.node.name)


async def check(session, code: str) -> None:
    outcome = await run(session, code)
    assert outcome.error is None, outcome.error
    assert outcome.result == "True"
    assert outcome.text == ""


async def test_every_character_has_a_shape_of_its_own(session):
    await check(session, "all_differ(CHARACTERS)")


async def test_the_test_can_tell_missing_glyphs(session):
    outcome = await run(session, "all_differ(['\\U000F1234', '\\U000F1235'])")
    assert outcome.result == "False"


async def test_korean_is_drawn_where_a_font_has_it(session):
    code = """
from matplotlib import font_manager
any("CJK" in font.name for font in font_manager.fontManager.ttflist)
"""
    if (await run(session, code)).result == "False":
        pytest.skip("no font with Hangul is installed")
    await check(session, "all_differ(['한', '국', '어', '글'])")


@pytest.mark.parametrize(
    "setting",
    [
        "plt.style.use('ggplot')",
        "plt.rcParams['font.family'] = 'serif'",
        "plt.rcParams['font.family'] = 'SimHei'",
        "plt.rcParams['font.sans-serif'] = ['SimHei', 'Microsoft YaHei']",
        "plt.rcParams['font.family'] = ['No Such Font']",
        "plt.rcdefaults()",
    ],
)
async def test_settings_of_the_code_do_not_take_the_glyphs_away(session, setting):
    await check(session, f"{setting}\nall_differ(CHARACTERS)")


async def test_a_font_of_another_system_can_be_asked_for_by_name(session):
    await check(session, "all_differ(CHARACTERS, fontname='MS Gothic')")


async def test_minus_signs_are_drawn(session):
    await check(session, "not all_differ(['\\u2212', '\\u2212']) and all_differ(['\\u2212', '□'])")
    code = "plt.rcParams['font.family'] = 'SimHei'\nall_differ(['\\u2212', '□', '日'])"
    await check(session, code)


async def test_latin_text_keeps_its_font(session):
    await check(session, "bool((drawn('a') == drawn('a', fontname='DejaVu Sans')).all())")


async def test_a_figure_with_labels_prints_no_warning(session):
    code = "plt.plot([-1, 1], label='売上')\nplt.title('매출 销售额')\nplt.legend()\nNone"
    outcome = await run(session, code)
    assert len(outcome.pictures) == 1
    assert outcome.text == ""
