"""Skills through the SDK: stored, versioned, mounted for reading, and hostile bundles refused."""

from __future__ import annotations

import base64
import io
import json
import stat
import zipfile

import pytest
from openai import BadRequestError, NotFoundError, OpenAI
from serving import OUTPUTS, TOKEN, run_code, serving, write_script

pytestmark = pytest.mark.skipif(
    not hasattr(OpenAI, "skills"), reason="this openai SDK knows no skills yet"
)

MANIFEST = "---\nname: {name}\ndescription: {about}\n---\nUse table.py.\n"


def manifest(name="tables", about="Draws tables."):
    return MANIFEST.format(name=name, about=about)


def packed(files, **options):
    """Pack files into a zip file; a name may be a ZipInfo."""
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", **options) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return held.getvalue()


GOOD = {"tables/SKILL.md": manifest(), "tables/code/table.py": "print('a table')\n"}


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory):
    return tmp_path_factory.mktemp("engine")


@pytest.fixture(scope="module")
def url(data_dir):
    with serving(data_dir) as url:
        yield url


@pytest.fixture
def client(url):
    return OpenAI(base_url=f"{url}/v1", api_key=TOKEN, max_retries=0)


@pytest.fixture
def run(client, tmp_path):
    """Run code in a container; gives what it printed."""
    return lambda container, code: run_code(client, tmp_path, container, code)


def test_a_folder_is_stored_listed_renamed_and_deleted(client):
    files = [(name, data.encode()) for name, data in GOOD.items()]
    made = client.skills.create(files=files)
    assert (made.name, made.description) == ("tables", "Draws tables.")
    assert (made.object, made.default_version, made.latest_version) == ("skill", "1", "1")
    assert client.skills.retrieve(made.id) == made
    assert client.skills.list().data[0] == made
    newer = packed({"SKILL.md": manifest(about="Draws better tables.")})
    second = client.skills.versions.create(made.id, files=("skill.zip", newer))
    assert (second.version, second.skill_id) == ("2", made.id)
    assert client.skills.retrieve(made.id).default_version == "1"
    changed = client.skills.update(made.id, default_version="latest")
    assert (changed.default_version, changed.description) == ("2", "Draws better tables.")
    versions = client.skills.versions.list(made.id, order="asc").data
    assert [one.version for one in versions] == ["1", "2"]
    assert client.skills.versions.retrieve("1", skill_id=made.id).description == "Draws tables."
    with pytest.raises(BadRequestError, match="default version"):
        client.skills.versions.delete("2", skill_id=made.id)
    assert client.skills.versions.delete("1", skill_id=made.id).version == "1"
    third = client.skills.versions.create(made.id, files=("skill.zip", newer), default=True)
    assert client.skills.retrieve(made.id).default_version == third.version == "3"
    assert client.skills.delete(made.id).deleted
    with pytest.raises(NotFoundError, match=made.id):
        client.skills.versions.retrieve("2", skill_id=made.id)


def test_the_content_is_a_zip_file_without_the_folder_around(client):
    made = client.skills.create(files=("tables.zip", packed(GOOD)))
    for answer in (
        client.skills.content.retrieve(made.id),
        client.skills.versions.content.retrieve("1", skill_id=made.id),
    ):
        with zipfile.ZipFile(io.BytesIO(answer.read())) as archive:
            assert sorted(archive.namelist()) == ["SKILL.md", "code/table.py"]
    assert not [file for file in client.files.list() if file.filename.endswith(".zip")]


def stored(data_dir):
    """Return the names of all files that the engine keeps beside its database."""
    places = (data_dir / "files", data_dir / "skills")
    return {path for place in places for path in place.rglob("*") if path.is_file()}


def test_a_container_keeps_its_skills_until_it_is_deleted(client, run, data_dir):
    before = stored(data_dir)
    made = client.skills.create(files=("tables.zip", packed(GOOD)))
    reference = {"type": "skill_reference", "skill_id": made.id}
    container = client.containers.create(name="c", skills=[reference])
    client.skills.delete(made.id)
    assert run(container.id, "%run /mnt/skills/tables/code/table.py") == "a table\n"
    assert (data_dir / "skills" / container.id / "tables/SKILL.md").exists()
    client.containers.delete(container.id)
    assert stored(data_dir) == before


def test_code_reads_a_skill_and_cannot_write_it(client, run):
    made = client.skills.create(files=("tables.zip", packed(GOOD)))
    reference = {"type": "skill_reference", "skill_id": made.id}
    container = client.containers.create(name="c", skills=[reference])
    client.skills.delete(made.id)
    assert "_skills" not in container.to_dict()
    code = "%run /mnt/skills/tables/code/table.py"
    assert run(container.id, code) == "a table\n"
    assert "Read-only file system" in run(container.id, WRITE)
    assert run(container.id, "print(open('/mnt/skills/tables/SKILL.md').read())") == (
        manifest() + "\n"
    )


WRITE = """
try:
    open('/mnt/skills/tables/SKILL.md', 'w')
except OSError as error:
    print(error)
"""


def test_the_model_is_shown_what_skills_there_are(client, tmp_path):
    data = base64.b64encode(packed(GOOD)).decode()
    source = {"type": "base64", "media_type": "application/zip", "data": data}
    inline = {"type": "inline", "name": "mine", "description": "Does all.", "source": source}
    tool = {"type": "code_interpreter", "container": {"type": "auto", "skills": [inline]}}
    code = "import os; print(os.listdir('/mnt/skills'))"
    replies = [{"code": code}, {"text": "Done."}]
    model = write_script(tmp_path, {"when": "", "replies": replies})
    made = client.responses.create(model=model, input="Go.", tools=[tool], include=OUTPUTS)
    assert made.output[0].outputs[0].logs == "['mine']\n"
    assert data not in json.dumps(made.to_dict())
    count = client.responses.input_tokens.count(model=model, input="Go.", tools=[tool])
    assert count.input_tokens > 0


def link(target):
    info = zipfile.ZipInfo("tables/link")
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    return {**GOOD, info: target}


HOSTILE = {
    "no zip file": b"PK\x03\x04 and no more",
    "nothing in it": packed({}),
    "no manifest": packed({"tables/README.md": manifest()}),
    "manifest too deep": packed({"a/SKILL.md": manifest(), "b/x": "x"}),
    "a link": packed(link("/etc/passwd")),
    "climbs out": packed({"SKILL.md": manifest(), "../evil": "x"}),
    "climbs out further in": packed({"t/SKILL.md": manifest(), "t/a/../../../evil": "x"}),
    "absolute": packed({"SKILL.md": manifest(), "/etc/evil": "x"}),
    "backslashes": packed({"SKILL.md": manifest(), "a\\..\\b": "x"}),
    "a file as folder": packed({"SKILL.md": manifest(), "a": "x", "a/b": "x"}),
    "two of one name": packed({"SKILL.md": manifest(), "skill.MD": "x"}),
    "too many": packed({"SKILL.md": manifest(), **{f"f{n}": "" for n in range(500)}}),
    "one too large": packed(
        {"SKILL.md": manifest(), "zeros": bytes(26 << 20)}, compression=zipfile.ZIP_DEFLATED
    ),
    "too large together": packed(
        {"SKILL.md": manifest(), **{f"zeros{n}": bytes(18 << 20) for n in range(3)}},
        compression=zipfile.ZIP_DEFLATED,
    ),
    "a packing that takes memory": packed(
        {"SKILL.md": manifest(), "x": "x" * 99}, compression=zipfile.ZIP_LZMA
    ),
    "damaged": packed(GOOD).replace(b"a table", b"A TABLE"),
    "no front matter": packed({"SKILL.md": "Use it."}),
    "front matter of a list": packed({"SKILL.md": "---\n- name\n---\n"}),
    "nested front matter": packed({"SKILL.md": "---\n" + "[" * 9000 + "\n---\n"}),
    "a name with a path": packed({"SKILL.md": manifest(name="../up")}),
    "no description": packed({"SKILL.md": manifest(about="''")}),
    "a long description": packed({"SKILL.md": manifest(about="x" * 1025)}),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_bundle_is_refused(client, name):
    before = len(client.skills.list(limit=100).data)
    with pytest.raises(BadRequestError, match="Invalid skill") as refused:
        client.skills.create(files=("skill.zip", HOSTILE[name]))
    assert refused.value.param == "files"
    assert len(client.skills.list(limit=100).data) == before


def test_what_is_no_skill_is_refused(client):
    made = client.skills.create(files=("tables.zip", packed(GOOD)))
    reference = {"type": "skill_reference", "skill_id": made.id}
    with pytest.raises(NotFoundError, match="Version '9'"):
        client.containers.create(name="c", skills=[{**reference, "version": "9"}])
    with pytest.raises(BadRequestError, match="one name"):
        client.containers.create(name="c", skills=[reference, {**reference, "version": "1"}])
    with pytest.raises(BadRequestError, match="files"):
        client.skills.create()
    for path, body in (("/skills", {"files": "x"}), (f"/skills/{made.id}/versions", {})):
        with pytest.raises(BadRequestError, match="files"):
            client.post(path, cast_to=object, body=body)
    with pytest.raises(BadRequestError, match="skill_"):
        client.skills.retrieve("nothing")
