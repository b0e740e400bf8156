"""Charts draw Chinese, Japanese and Korean text, whatever style the code has set."""

from __future__ import annotations

import pytest
import pytest_asyncio

from aoai_magic.sandbox.host.local import LocalSandbox
from aoai_magic.sandbox.protocol import Limits

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
def covered(texts):  # whether an installed font has all of them
    from matplotlib import font_manager, ft2font
    files = {f.fname for f in font_manager.fontManager.ttflist if "LastResort" not in f.fname}
    maps = (ft2font.FT2Font(name).get_charmap() for name in files)
    return any(all(ord(text) in glyphs for text in texts) for glyphs in maps)
"""

SCRIPTS = {
    "japanese": ["日", "本", "月", "ア", "ん", "漢", "語"],
    "chinese": ["图", "价", "臺", "灣", "們", "这"],
    "korean": ["한", "국", "어", "글"],
}


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


async def need(session, script: str) -> list[str]:
    """Return the characters of a script, where a font for it is installed."""
    if (await run(session, f"covered({SCRIPTS[script]})")).result != "True":
        pytest.skip(f"no font for {script} is installed")
    return SCRIPTS[script]


@pytest.mark.parametrize("script", SCRIPTS)
async def test_every_character_has_a_shape_of_its_own(session, script):
    await check(session, f"all_differ({await need(session, script)})")


async def test_the_test_can_tell_missing_glyphs(session):
    outcome = await run(session, "all_differ(['\\U000F1234', '\\U000F1235'])")
    assert outcome.result == "False"


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
    await check(session, f"{setting}\nall_differ({await need(session, 'japanese')})")


async def test_a_font_of_another_system_can_be_asked_for_by_name(session):
    texts = await need(session, "japanese")
    await check(session, f"all_differ({texts}, fontname='MS Gothic')")


async def test_missing_glyphs_are_said_once_and_other_warnings_as_ever(session):
    outcome = await run(session, "all_differ([chr(0xF1234 + i) for i in range(9)])")
    again = await run(session, "all_differ([chr(0xF2234 + i) for i in range(9)])")
    assert (outcome.text + again.text).count("show as boxes in charts") == 1
    assert "Glyph" not in outcome.text + again.text
    assert "careful" in (await run(session, "import warnings; warnings.warn('careful')")).text


async def test_the_list_of_fonts_is_made_anew_only_after_fonts_changed(tmp_path):
    made = [await list_of_fonts(tmp_path), await list_of_fonts(tmp_path)]
    assert made[0] == made[1]
    (stamp,) = tmp_path.glob("zygote/matplotlib/font-folders.json")
    stamp.write_text("{}")  # as if a folder had come since
    assert await list_of_fonts(tmp_path) != made[0]


async def list_of_fonts(folder):
    """Start a sandbox; give what tells whether matplotlib's list is the one from before."""
    sandbox = LocalSandbox(folder, Limits(), RUNGS["namespaces"], preload=["matplotlib.pyplot"])
    await sandbox.start()
    await sandbox.close()
    (found,) = folder.glob("zygote/matplotlib/fontlist-*.json")
    return found.stat().st_mtime_ns


async def test_minus_signs_are_drawn(session):
    await check(session, "not all_differ(['\\u2212', '\\u2212']) and all_differ(['\\u2212', '□'])")
    await need(session, "japanese")
    code = "plt.rcParams['font.family'] = 'SimHei'\nall_differ(['\\u2212', '□', '日'])"
    await check(session, code)


async def test_latin_text_keeps_its_font(session):
    await check(session, "bool((drawn('a') == drawn('a', fontname='DejaVu Sans')).all())")


async def test_a_figure_with_labels_prints_no_warning(session):
    await need(session, "japanese")
    code = "plt.plot([-1, 1], label='売上')\nplt.title('日本語')\nplt.legend()\nNone"
    outcome = await run(session, code)
    assert len(outcome.pictures) == 1
    assert outcome.text == ""
