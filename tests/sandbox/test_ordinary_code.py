"""Code as people and models write it: nothing closed, both streams, processes of every kind."""

from __future__ import annotations

import pytest

from aoai_magic.sandbox.protocol import Limits

from .cells import run

LEVELS = ["namespaces", "landlock"]


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize(
    "code",
    [
        "import csv\nf = open('x', 'w'); c = csv.writer(f); c.writerow(['a']); c.writerow([1])",
        "from pathlib import Path\nf = Path('x').open('w'); f.write('a\\r\\n1\\r\\n')",
        "f = open('x', 'wb'); f.write(b'a\\r\\n1\\r\\n'); 1 / 0",
        "import os\nf = os.fdopen(os.open('x', os.O_CREAT | os.O_RDWR), 'r+b')\n"
        "f.write(b'a\\r\\n1\\r\\n')",
        "def keep():\n    f = open('x', 'w'); f.write('a\\r\\n1\\r\\n')\n    yield f\n"
        "k = keep(); next(k)",
    ],
)
async def test_what_was_written_is_there_though_nothing_was_closed(make_sandbox, level, code):
    session = await (await make_sandbox(level=level)).open("a")
    outcome = await run(session, code)
    (file,) = await session.files()
    with session.open(file.name) as stream:
        assert stream.read() == b"a\r\n1\r\n"
    assert "not complete" not in outcome.text
    assert (await run(session, "f = globals().get('f') or next(k, None)\nf and f.close()")).done.ok


async def test_files_that_only_closing_completes_are_named(make_sandbox):
    session = await (await make_sandbox()).open("a")
    code = """
import bz2, gzip, lzma, tarfile, zipfile
files = [gzip.open("a.gz", "wt"), bz2.open("b.bz2", "wb"), lzma.open("c.xz", "wb")]
archives = [zipfile.ZipFile("d.zip", "w"), tarfile.open("e.tar", "w")]
archives += [tarfile.open("f.tgz", "w:gz")]
empty = open("g.xlsx", "wb")
read = gzip.open("a.gz"), open("h.txt", "w+")
"""
    outcome = await run(session, code)
    named = [line.split()[0] for line in outcome.text.splitlines()]
    assert sorted({*named}) == [
        "a.gz",
        "b.bz2",
        "c.xz",
        "d.zip",
        "e.tar",
        "f.tgz",
        "g.xlsx",
        "h.txt",
    ]
    outcome = await run(session, "for f in (*files, *archives, empty, *read): f.close()")
    assert outcome.text == ""


async def test_a_file_that_does_not_fit_any_more_is_told_at_the_end_of_its_cell(make_sandbox):
    session = await (await make_sandbox(Limits(file=1 << 20))).open("a")
    outcome = await run(session, "f = open('x', 'wb', buffering=4 << 20); f.write(bytes(3 << 20))")
    assert outcome.limits == ["disk"]
    assert not outcome.done.ok


@pytest.mark.parametrize("level", LEVELS)
async def test_what_is_printed_keeps_its_order(make_sandbox, level):
    session = await (await make_sandbox(level=level)).open("a")
    code = """
import logging, os, subprocess, sys, warnings
for i in range(5):
    print(i, "out")
    print(i, "err", file=sys.stderr)
    os.system(f"echo {i} shell; echo {i} shell err >&2")
    sys.stdout.write(f"{i} written ")
    logging.warning("logged")
    child = f"import os; os.write(2, b'{i} two\\\\n'); print({i}, 'one')"
    subprocess.run([sys.executable, "-S", "-c", child])
    os.write(1, b"raw\\n")
"""
    outcome = await run(session, code)
    expected = "".join(
        f"{i} out\n{i} err\n{i} shell\n{i} shell err\n{i} written WARNING:root:logged\n"
        f"{i} two\n{i} one\nraw\n"
        for i in range(5)
    )
    assert outcome.text == expected


async def test_what_children_print_is_seen_while_they_run(make_sandbox):
    session = await (await make_sandbox()).open("a")
    code = "import subprocess\nsubprocess.run('echo now; sleep 60', shell=True)"
    async for event in session.run(code):
        if getattr(event, "text", "") == "now\n":
            break
    else:
        pytest.fail("it was not seen")


async def test_much_output_of_children_is_taken_quickly_and_cut(make_sandbox):
    session = await (await make_sandbox(Limits(output=1000))).open("a")
    outcome = await run(
        session, "import os\nos.system('head -c 50000000 /dev/zero')\nprint('x')", 20
    )
    assert outcome.done.ok
    assert len(outcome.text) == 1000
    assert outcome.limits == ["output"]


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
async def test_processes_of_every_kind_work(make_sandbox, method):
    session = await (await make_sandbox()).open("a")
    await run(session, "import math\nFACTOR = 5\n%pwd\ndef scale(x): return x * FACTOR")
    code = f"""
import multiprocessing as mp
from concurrent.futures import ProcessPoolExecutor
class Point:
    def __init__(self, x): self.x = scale(x)
def moved(point): return Point(math.floor(point.x + 1))
print("once")
context = mp.get_context({method!r})
with context.Pool(2) as pool:
    print(pool.map(scale, [1, 2]), [point.x for point in pool.map(moved, [Point(1)])])
with ProcessPoolExecutor(1, mp_context=context) as pool:
    print(list(pool.map(scale, [3])))
"""
    outcome = await run(session, code, 100)
    assert outcome.text == "once\n[5, 10] [30]\n[15]\n"


async def test_without_shared_memory_process_pools_say_so(make_sandbox):
    session = await (await make_sandbox(level="landlock")).open("a")
    outcome = await run(session, "import multiprocessing\nmultiprocessing.Pool(2)")
    assert "use threads" in outcome.error.value


@pytest.mark.parametrize("level", LEVELS)
async def test_addresses_that_are_only_reserved_do_not_count(make_sandbox, level):
    session = await (await make_sandbox(Limits(memory=1 << 30), level)).open("a")
    mapped = "mmap.mmap(-1, 1 << 40, mmap.MAP_PRIVATE | 0x4000, mmap.PROT_READ)"
    code = f"import mmap\nkept = {mapped}\nlen(kept)"
    assert (await run(session, code)).result == str(1 << 40)


@pytest.mark.parametrize("level", LEVELS)
async def test_pictures_of_altair_can_be_saved(make_sandbox, level):
    pytest.importorskip("vl_convert", reason="draws Altair's charts; of the extra [test]")
    session = await (await make_sandbox(Limits(memory=1 << 30), level)).open("a")
    code = """
import altair, pandas
chart = altair.Chart(pandas.DataFrame({"a": [1], "b": [2]})).mark_bar().encode(x="a", y="b")
chart.save("x.png"); chart.save("x.svg")
"""
    assert (await run(session, code, 100)).done.ok
    assert {file.name for file in await session.files()} >= {"x.png", "x.svg"}


async def test_libraries_that_reserve_much_work(make_sandbox):
    pytest.importorskip("polars")
    pytest.importorskip("duckdb")
    session = await (await make_sandbox(Limits(memory=1 << 30))).open("a")
    code = """
import duckdb, polars
frame = polars.DataFrame({"a": range(100_000)})
frame.write_parquet("x.parquet")
total = duckdb.sql("select sum(a) from 'x.parquet'").fetchall()[0][0]
int(frame["a"].sum()), int(total)
"""
    outcome = await run(session, code, 100)
    assert outcome.result == "(4999950000, 4999950000)"
