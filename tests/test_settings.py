"""Settings: who wins, and where turns go."""

import pytest

from aoai_magic.config.settings import Settings, resolve, resolve_target
from aoai_magic.errors import SettingsError


def test_the_stronger_source_wins_and_is_named():
    layers = {
        "options": {"model": "from-option"},
        "config": {"model": "from-config", "target": "local"},
        "environ": {"AOAI_MAGIC_TARGET": "openai", "AOAI_MAGIC_TIMEOUT": "5"},
        "file": {"timeout": 7.0, "instructions": "Be brief."},
    }
    settings = resolve(**layers)
    assert settings == Settings(
        "local", "from-option", "local", instructions="Be brief.", timeout=5.0
    )
    assert dict(settings.sources) == {
        "model": "magic option",
        "target": "%config",
        "timeout": "environment",
        "instructions": "configuration file",
        "sandbox": "default",
        "max_tokens": "default",
        "max_cost": "default",
        "effort": "default",
        "save": "default",
        "display": "default",
        "confirm_upload": "default",
        "attach_named": "default",
        "embeddings": "default",
        "suggest_questions": "default",
        "guide": "default",
        "mcp_allow": "default",
        "recordings": "default",
        "recordings_mode": "default",
        "keep_days": "default",
        "keep_mb": "default",
        "start_early": "default",
        "container_program": "default",
        "container_image": "default",
        "home": "default",
    }


@pytest.mark.parametrize(
    ("environ", "name", "model"),
    [
        ({}, "local", "offline"),
        ({"OPENAI_API_KEY": "k"}, "openai", ""),
        ({"OPENAI_BASE_URL": "http://x/v1"}, "local", "openai:"),
        ({"OPENAI_API_KEY": "k", "OPENAI_BASE_URL": "http://x/v1"}, "local", "openai:"),
        ({"AZURE_OPENAI_ENDPOINT": "https://x", "OPENAI_API_KEY": "k"}, "azure", ""),
    ],
)
def test_default_target(environ, name, model):
    target = resolve_target(resolve(environ={}), environ)
    assert (target.name, target.model) == (name, model)


@pytest.mark.parametrize(
    "given",
    [
        {"timeout": "soon"},
        {"timeout": -1},
        {"effort": "very high"},
        {"display": "hologram"},
        {"target": "moon"},
        {"recordings_mode": "later"},
    ],
)
def test_a_value_that_cannot_be_used_is_named(given):
    (name,) = given
    with pytest.raises(SettingsError, match=name):
        resolve(given, environ={})
