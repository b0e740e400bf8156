"""What one session is given that others are not: more memory, and folders to read."""

from __future__ import annotations

import pytest

from aoai_magic.sandbox.protocol import Setup

from .cells import run

READ = "print(open('/mnt/skills/tables/SKILL.md').read())"
WRITE = """
import contextlib, os, pathlib
done = []
for place in ("/mnt/skills/tables/SKILL.md", "/mnt/skills/tables/new", "/mnt/skills/new"):
    try:
        pathlib.Path(place).write_text("changed")
        done.append(place)
    except OSError:
        pass
try:
    os.unlink("/mnt/skills/tables/SKILL.md")
    done.append("deleted")
except OSError:
    pass
with contextlib.suppress(OSError):
    os.chmod("/mnt/skills/tables/SKILL.md", 0o777)
print(done)
"""


@pytest.fixture
def skill(tmp_path):
    folder = tmp_path / "skill"
    folder.mkdir(mode=0o755)
    (folder / "SKILL.md").write_text("Read me.")
    (folder / "SKILL.md").chmod(0o644)
    return folder


@pytest.mark.parametrize("level", ["namespaces", "landlock"])
async def test_a_folder_is_read_and_not_written(make_sandbox, skill, level):
    sandbox = await make_sandbox(level=level)
    given = Setup(folders={"/mnt/skills/tables": skill})
    session = await sandbox.open("one", given)
    assert (await run(session, READ)).text == "Read me.\n"
    assert (await run(session, WRITE)).text == "[]\n"
    assert [path.name for path in skill.iterdir()] == ["SKILL.md"]
    assert (skill / "SKILL.md").read_text() == "Read me."
    assert (skill / "SKILL.md").stat().st_mode & 0o777 == 0o644
    other = await sandbox.open("two")
    assert (await run(other, READ)).error.name == "FileNotFoundError"
    await session.close()
    again = await sandbox.open("one", given)
    assert (await run(again, READ)).text == "Read me.\n"
