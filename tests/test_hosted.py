"""Which service a hosted notebook runs at, and what is said there."""

import pytest

from aoai_magic.runner import hosted
from aoai_magic.runner.diagnostics import _isolation, _place


@pytest.fixture(autouse=True)
def at_none(monkeypatch):
    for mark in hosted.PLACES:
        monkeypatch.delenv(mark, raising=False)


@pytest.mark.parametrize("mark", [mark for mark in hosted.PLACES if not mark.startswith("/")])
def test_the_doctor_names_a_service_by_its_variable(monkeypatch, mark):
    monkeypatch.setenv("JUPYTERHUB_USER", "ada")
    monkeypatch.setenv(mark, "1")
    (finding,) = _place()
    assert finding.text == f"this notebook runs at {hosted.PLACES[mark]}"


def test_the_doctor_names_a_service_by_its_file(monkeypatch, tmp_path):
    (tmp_path / "metadata.json").touch()
    monkeypatch.setattr(hosted, "PLACES", {str(tmp_path / "metadata.json"): "A Service"})
    assert hosted.hosted_by() == "A Service"


def test_elsewhere_nothing_is_said():
    assert list(_place()) == []


def test_where_nothing_isolates_the_ways_on_are_named():
    bad, way = _isolation({"error": "Code cannot be isolated."})
    assert (bad.state, way.state) == ("bad", "gap")
    assert "--on container" in way.text
    assert "--on URL" in way.text
