"""What lies beside a notebook is not imported in place of packages, or is named."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from aoai_magic.backends.local_engine import start
from aoai_magic.errors import UsageError
from aoai_magic.shared import hidden_packages

HIDING = ["random", "openai", "numpy", "pandas", "secrets", "sqlalchemy", "uvicorn", "typing"]


@pytest.fixture
def beside(tmp_path, monkeypatch):
    """A working folder that is on the path of imports, as a notebook's is."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend("")
    return tmp_path


@pytest.mark.parametrize("by", ["the working folder", "PYTHONPATH"])
def test_an_engine_starts_whatever_lies_beside_the_notebook(beside, by):
    for name in HIDING:
        (beside / f"{name}.py").write_text("raise RuntimeError('a file of the user')")
    environ = {**os.environ, **({"PYTHONPATH": f"{beside}{os.pathsep}"} if "P" in by else {})}

    engine = start(beside / "home", "local", environ)

    assert engine.alive
    engine.stop()


def test_an_engine_finds_packages_where_its_kernel_does(tmp_path):
    added = tmp_path / "added"
    plugin = added / "plugged-1.dist-info"
    plugin.mkdir(parents=True)
    (plugin / "METADATA").write_text("Metadata-Version: 2.1\nName: plugged\nVersion: 1\n")
    (plugin / "entry_points.txt").write_text("[aoai_magic.models.v1]\nplugged = plugged:open\n")
    (added / "random.py").write_text("raise RuntimeError('not this one')")
    code = (
        "import subprocess\n"
        "from aoai_magic.shared.isolated_python import isolated, package_paths\n"
        "subprocess.run([*isolated('shown', package_paths())], check=True)"
    )
    (added / "shown.py").write_text(
        "def main():\n"
        "    import random; from importlib.metadata import entry_points\n"
        "    print([e.name for e in entry_points(group='aoai_magic.models.v1')], random.random())"
    )
    environ = {**os.environ, "PYTHONPATH": str(added)}
    done = subprocess.run(
        [sys.executable, "-S", "-c", f"import sys; sys.path += {sys.path!r}; {code}"],
        env=environ, cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert "'plugged'" in done.stdout, done.stderr


@pytest.mark.parametrize("form", ["{}.py", "{}/__init__.py"])
@pytest.mark.parametrize(
    ("name", "source", "use"),
    [
        ("uvicorn", "x = 1", "import uvicorn.config"),
        ("uvicorn", "x = 1", "import uvicorn; uvicorn.Server"),
        ("uvicorn", "x = 1", "from uvicorn import Server"),
        ("uvicorn", "x = (", "import uvicorn"),
        ("uvicorn", "undefined_name", "import uvicorn"),
        ("xdrlib" if sys.version_info < (3, 13) else "wave", "x = 1", "import {}; {}.Error"),
    ],
)
def test_the_file_that_hides_a_package_is_named(beside, monkeypatch, form, name, source, use):
    path = beside / form.format(name)
    path.parent.mkdir(exist_ok=True)
    path.write_text(source)
    for module in [one for one in sys.modules if one.partition(".")[0] == name]:
        monkeypatch.delitem(sys.modules, module)

    with pytest.raises(UsageError) as caught, hidden_packages.named():
        exec(use.replace("{}", name), {})
    for module in [one for one in sys.modules if one.partition(".")[0] == name]:
        del sys.modules[module]

    shown = path.parent if path.name == "__init__.py" else path
    assert f"{shown.name} in {beside} hides the package {name}" in str(caught.value)


def test_errors_of_other_causes_are_left_alone(beside):
    (beside / "json.py").write_text("not even Python")  # the real one has been imported
    (beside / "helpers.py").write_text("raise ImportError('no driver', name='helpers')")
    for code in ("import helpers", "import json; json.none", "1 / 0", "import no_such_package"):
        with pytest.raises(Exception) as caught, hidden_packages.named():
            exec(code, {})
        assert not isinstance(caught.value, UsageError)


def test_packages_that_were_put_before_others_on_purpose_hide_nothing(tmp_path, monkeypatch):
    (tmp_path / "uvicorn").mkdir()
    (tmp_path / "uvicorn" / "__init__.py").write_text("x = 1")
    (tmp_path / "uvicorn-99.dist-info").mkdir()
    monkeypatch.syspath_prepend(tmp_path)
    for module in [one for one in sys.modules if one.partition(".")[0] == "uvicorn"]:
        monkeypatch.delitem(sys.modules, module)

    hidden_packages.refuse("uvicorn")
