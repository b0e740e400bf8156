"""What a user's code meets in a session, on each level."""

from __future__ import annotations

import asyncio
import base64
import json
import struct

import pytest
import pytest_asyncio

from aoai_magic.sandbox.host.local import LocalSandbox
from aoai_magic.sandbox.protocol import (
    Display,
    Done,
    Limits,
    SandboxError,
    Stream,
)

from .cells import Outcome, run
from .escape import RUNGS

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=list(RUNGS))
async def sandbox(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("sandbox")
    preload = ["IPython", "numpy", "pandas", "matplotlib.pyplot"]
    sandbox = LocalSandbox(folder, Limits(), RUNGS[request.param], preload=preload)
    await sandbox.start()
    yield sandbox
    await sandbox.close()


@pytest_asyncio.fixture(loop_scope="module")
async def session(sandbox, request):
    session = await sandbox.open(request.node.name)
    yield session
    await sandbox.discard(request.node.name)


async def test_the_last_value_is_the_result(session):
    outcome = await run(session, "x = 20\nx + 1")
    assert outcome.result == "21"
    assert outcome.done.ok
    assert "Out[" not in str(outcome.events)


async def test_variables_stay(session):
    await run(session, "x = 20")
    assert (await run(session, "x")).result == "20"
    assert session.alive


async def test_the_last_result_has_a_name_that_code_may_take(session):
    await run(session, "6 * 7")
    assert (await run(session, "_ + 1")).result == "43"
    await run(session, "for _ in range(3): pass\n'text'")
    assert (await run(session, "print(_)")).text == "2\n"


async def test_magics_keep_nothing_on_the_host(session):
    outcome = await run(session, "%cd /tmp\n%pwd")
    assert outcome.error is None
    assert outcome.text.startswith("/tmp")


async def test_a_semicolon_silences_the_result(session):
    assert (await run(session, "1 + 1;")).displays == []


async def test_streams_keep_their_order_and_name(session):
    code = "import sys\nprint('a')\nprint('b', file=sys.stderr)\nprint('ü 日本')"
    outcome = await run(session, code)
    said = [(event.name, event.text) for event in outcome.events if isinstance(event, Stream)]
    assert [name for name, _ in said] == ["stdout", "stderr", "stdout"]
    assert outcome.text == "a\nb\nü 日本\n"


async def test_text_without_a_newline_arrives_while_the_cell_runs(session):
    arrived = asyncio.Event()

    async def watch():
        async for event in session.run("print('now', end='')\nimport time\ntime.sleep(60)"):
            if isinstance(event, Stream):
                arrived.set()

    task = asyncio.get_running_loop().create_task(watch())
    await asyncio.wait_for(arrived.wait(), 10)
    await session.interrupt()
    await task


@pytest.mark.parametrize("code", ["sys.stdout.close()", "sys.stdout = None", "del sys.stdout"])
async def test_a_session_survives_what_is_done_to_its_output(session, code):
    await run(session, f"import sys\nkept = sys.stdout\n{code}")
    assert (await run(session, "1 / 0")).error.name == "ZeroDivisionError"
    assert (await run(session, "1 + 1")).result == "2"
    assert (await run(session, "sys.stdout = kept\nprint('again')")).text == "again\n"


async def test_an_error_shows_the_users_frames_alone(session):
    outcome = await run(session, "import json\ndef f(text):\n    return json.loads(text)\nf('{')")
    assert outcome.error.name == "JSONDecodeError"
    assert "line 3, in f" in outcome.error.traceback
    assert "return json.loads(text)" in outcome.error.traceback
    assert "decoder.py" not in outcome.error.traceback
    assert "\x1b" not in outcome.error.traceback
    assert not outcome.done.ok


async def test_a_chained_error_is_shown_with_its_cause(session):
    code = "try:\n    {}['key']\nexcept KeyError as error:\n    raise ValueError('bad') from error"
    traceback = (await run(session, code)).error.traceback
    assert traceback.index("KeyError: 'key'") < traceback.index("ValueError: bad")


async def test_an_error_in_a_file_of_the_session_shows_its_line(session):
    await run(session, "open('mine.py', 'w').write('def f():\\n    raise KeyError(1)\\n')")
    traceback = (await run(session, "import mine\nmine.f()")).error.traceback
    assert "/mnt/data/mine.py" in traceback


async def test_a_syntax_error_is_an_error(session):
    outcome = await run(session, "1 +")
    assert outcome.error.name == "SyntaxError"
    assert not outcome.done.ok


async def test_code_that_is_too_long_is_an_error_and_loses_nothing(session):
    await run(session, "x = 1")
    outcome = await run(session, "'" + "x" * (9 << 20) + "'")
    assert "longer than" in outcome.error.value
    assert outcome.ended == []
    assert not outcome.done.ok
    assert (await run(session, "x")).result == "1"


@pytest.mark.parametrize("code", ["import sys; sys.exit(3)", "exit()", "raise SystemExit"])
async def test_leaving_is_an_error_and_not_the_end(session, code):
    await run(session, "x = 1")
    outcome = await run(session, code)
    assert outcome.error.name == "SystemExit"
    assert "To exit" not in outcome.text
    assert (await run(session, "x")).result == "1"


async def test_input_fails_clearly(session):
    assert "nobody can type" in (await run(session, "input('name?')")).error.value


async def test_await_works_at_top_level(session):
    outcome = await run(
        session, "import asyncio\nawait asyncio.sleep(0)\nawait asyncio.sleep(0, 7)"
    )
    assert outcome.result == "7"


async def test_shell_commands_see_the_folder(session):
    await run(session, "open('/mnt/data/a.txt', 'w').write('content')")
    assert (await run(session, "!cat /mnt/data/a.txt")).text == "content"
    assert (await run(session, "%%bash\ncat /mnt/data/a.txt")).text == "content"
    assert (await run(session, "lines = !ls /mnt/data\nlines[0]")).result == "'a.txt'"


async def test_shell_commands_keep_the_order_of_output(session):
    assert (await run(session, "print(1)\n!echo 2\nprint(3)")).text == "1\n2\n3\n"


async def test_output_of_processes_and_forked_children_arrives(session):
    code = """
import os, subprocess
subprocess.run(["echo", "from a program"])
pid = os.fork()
if pid == 0:
    print("from a fork", flush=True)
    os._exit(0)
os.waitpid(pid, 0)
"""
    outcome = await run(session, code)
    assert outcome.done.ok, outcome.error
    for words in ("from a program", "from a fork"):
        assert words in outcome.text


async def test_process_pools_work(sandbox, session):
    if (await sandbox.start()).level == "landlock":
        pytest.skip("semaphores live in /dev/shm, which a session without namespaces has not")
    code = """
import multiprocessing
def work(n):
    print("child", n, flush=True)
    return n * n
with multiprocessing.get_context("fork").Pool(2) as pool:
    print(sum(pool.map(work, range(4))))
"""
    outcome = await run(session, code)
    assert outcome.done.ok, outcome.error
    lines = outcome.text.splitlines()
    assert sorted(lines) == ["14", "child 0", "child 1", "child 2", "child 3"]


async def test_displays_carry_every_type(session):
    code = """
from IPython.display import HTML, JSON, Latex, SVG, display
class Rich:
    def _repr_mimebundle_(self, include=None, exclude=None):
        return {"image/png": b"\\x89PNG", "application/vnd.x+json": {"a": [1, float("nan")]}}
display(HTML("<b>x</b>")); display(Latex("$x$")); display(SVG("<svg xmlns='http://www.w3.org/2000/svg'/>"))
display(JSON({"a": 1})); display(Rich())
"""
    outcome = await run(session, code)
    merged = {mime: data for event in outcome.displays for mime, data in event.data.items()}
    assert merged["text/html"] == "<b>x</b>"
    assert merged["text/latex"] == "$x$"
    assert "<svg" in merged["image/svg+xml"]
    assert json.loads(merged["application/json"]) == {"a": 1}
    assert json.loads(merged["application/vnd.x+json"]) == {"a": [1, None]}
    assert merged["image/png"] == b"\x89PNG"


async def test_pictures_given_as_base64_text_become_bytes(session):
    encoded = base64.b64encode(b"\x89PNG").decode()
    code = f"from IPython.display import display\ndisplay({{'image/png': {encoded!r}}}, raw=True)"
    assert (await run(session, code)).pictures == [b"\x89PNG"]


async def test_a_display_can_be_updated(session):
    code = "from IPython.display import display\nh = display(1, display_id='d')\nh.update(2)"
    first, second = (await run(session, code)).displays
    assert (first.id, first.update) == ("d", False)
    assert (second.id, second.update) == ("d", True)


async def test_frames_come_as_table_and_as_text(session):
    outcome = await run(session, "import pandas as pd\npd.DataFrame({'a': [1, 2]})")
    (table,) = outcome.displays
    assert "<table" in table.data["text/html"]
    assert table.data["text/plain"].split() == ["a", "0", "1", "1", "2"]


async def test_wide_frames_are_printed_whole(session):
    code = "import pandas as pd\nprint(pd.DataFrame({f'column{i}': [i] for i in range(10)}))"
    text = (await run(session, code)).text
    assert "..." not in text
    assert "column9" in text


def _size(png: bytes) -> tuple[int, int]:
    return struct.unpack(">II", png[16:24])


async def test_open_figures_are_shown_at_the_end(session):
    code = """
import matplotlib
matplotlib.use("Agg")
import matplotlib.pyplot as plt
plt.plot([1, 2])
plt.figure()
plt.plot([2, 1])
None
"""
    outcome = await run(session, code)
    assert len(outcome.pictures) == 2
    width, height = _size(outcome.pictures[0])
    assert 400 <= width <= 1200
    assert 300 <= height <= 1000
    assert (await run(session, "plt.get_fignums()")).result == "[]"


async def test_show_keeps_its_place(session):
    code = """
import matplotlib.pyplot as plt
plt.plot([1, 2])
plt.show()
print("between")
fig, ax = plt.subplots()
ax.plot([1, 2])
fig
"""
    kinds = [type(event) for event in (await run(session, code)).events]
    assert kinds == [Display, Stream, Display, Done]


async def test_inline_magic_is_accepted(session):
    code = "%matplotlib inline\nimport matplotlib.pyplot as plt\nplt.plot([1, 2]);"
    assert len((await run(session, code)).pictures) == 1


async def test_files_come_back(session, tmp_path):
    code = "import os\nos.makedirs('sub')\nopen('/mnt/data/sub/ö 1.txt', 'w').write('content')"
    await run(session, code)
    (file,) = await session.files()
    assert (file.name, file.bytes) == ("sub/ö 1.txt", 7)
    with session.open(file.name) as stream:
        assert stream.read() == b"content"
    with pytest.raises(SandboxError, match=r"none\.txt"):
        session.open("none.txt")


async def test_temporary_files_work_and_are_not_listed(session):
    code = """
import tempfile
with tempfile.NamedTemporaryFile() as f: f.write(b"x")
open("/tmp/a.txt", "w").write("x")
print(open("/tmp/a.txt").name)
!cat /tmp/a.txt
"""
    outcome = await run(session, code)
    assert outcome.error is None
    assert outcome.text == "/tmp/a.txt\nx"
    assert await session.files() == []


async def test_put_refuses_what_is_larger_than_the_disk(session, tmp_path):
    source = tmp_path / "large"
    with source.open("wb") as stream:
        stream.truncate(Limits().disk + 1)
    with pytest.raises(SandboxError, match="1,073,741,825 bytes"):
        await session.put("large", source)


async def test_put_gives_a_copy(session, tmp_path):
    source = tmp_path / "in.bin"
    source.write_bytes(b"0123456789" * 100_000)
    await session.put("in.bin", source)
    code = "data = open('/mnt/data/in.bin', 'rb').read()\nopen('/mnt/data/in.bin', 'wb').write(b'')"
    await run(session, code)
    assert (await run(session, "len(data)")).result == "1000000"
    assert source.stat().st_size == 1_000_000


async def test_files_stay_when_the_interpreter_goes(sandbox, session):
    await run(session, "open('kept.txt', 'w').write('x'); y = 1")
    await session.close()
    assert not session.alive
    again = await sandbox.open(session.key)
    outcome = await run(again, "import os\nos.listdir('.')")
    assert outcome.result == "['kept.txt']"
    assert len(outcome.ended) == 1
    assert (await run(again, "y")).error.name == "NameError"


async def test_interrupt_keeps_the_variables(session):
    await run(session, "x = 1")
    for code in ("while True: pass", "import time; time.sleep(60)", "!sleep 60"):
        task = asyncio.get_running_loop().create_task(run(session, code))
        await asyncio.sleep(0.3)
        await session.interrupt()
        outcome = await asyncio.wait_for(task, 5)
        assert outcome.ended == []
        assert not outcome.done.ok
    assert (await run(session, "x")).result == "1"


async def test_what_cannot_be_interrupted_is_ended_and_begins_again(session):
    await run(session, "open('kept.txt', 'w').write('x')")
    ignore = "import signal, time\nsignal.signal(signal.SIGINT, signal.SIG_IGN)"
    events = []
    async for event in session.run(f"{ignore}\nprint('now', flush=True)\ntime.sleep(60)"):
        events.append(event)
        if isinstance(event, Stream):
            session.cell.interrupt()
    assert len(Outcome(events).ended) == 1
    assert not session.alive
    outcome = await run(session, "import os\nos.listdir('.')")
    assert outcome.result == "['kept.txt']"


async def test_closing_the_iterator_interrupts(session):
    events = session.run("print('started', flush=True)\nimport time\ntime.sleep(60)")
    async for event in events:
        assert isinstance(event, Stream)
        break
    await asyncio.wait_for(events.aclose(), 5)
    assert (await run(session, "1 + 1")).result == "2"


async def test_a_cancelled_cell_is_interrupted(session):
    task = asyncio.get_running_loop().create_task(run(session, "import time\ntime.sleep(60)"))
    await asyncio.sleep(0.3)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (await run(session, "1 + 1")).result == "2"


async def test_a_dead_interpreter_is_reported(session):
    outcome = await run(session, "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)")
    if not outcome.ended:  # no process may signal itself so, where signals are kept in
        outcome = await run(session, "import ctypes\nctypes.string_at(0)")
    assert "files are kept" in outcome.ended[0]
    assert not outcome.done.ok
    assert (await run(session, "1 + 1")).result == "2"


async def test_cells_of_one_session_wait_for_each_other(session):
    outcomes = await asyncio.gather(*(run(session, f"x = {n}\nprint(x)") for n in range(5)))
    assert sorted(outcome.text for outcome in outcomes) == [f"{n}\n" for n in range(5)]


async def test_sessions_have_random_numbers_of_their_own(sandbox, session):
    code = "import random, numpy\n(random.random(), numpy.random.rand())"
    other = await sandbox.open("random")
    assert (await run(session, code)).result != (await run(other, code)).result
    await sandbox.discard("random")
