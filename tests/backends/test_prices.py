"""What turns cost about."""

import json

import pytest

from aoai_magic.assistant import Assistant
from aoai_magic.backends.prices import load
from aoai_magic.commands import usage
from aoai_magic.errors import SettingsError
from aoai_magic.events import Usage
from aoai_magic.turn import Turn
from aoai_magic.view import View

USAGE = Usage(input_tokens=1_000_000, output_tokens=100_000, cached_tokens=400_000)


@pytest.mark.parametrize("model", ["gpt-4.1", "azure:gpt-4.1", "gpt-4.1-2025-04-14"])
def test_cached_tokens_cost_less(tmp_path, model):
    assert load(tmp_path).cost(model, USAGE) == pytest.approx(0.6 * 2 + 0.4 * 0.5 + 0.1 * 8)


def test_unknown_models_have_no_cost(tmp_path):
    assert load(tmp_path).cost("my-deployment", USAGE) is None


def test_prices_of_the_user_go_first(tmp_path):
    own = {"models": {"my-deployment": [1, 1, 1], "gpt-4.1": [0, 0, 0]}, "as_of": "today"}
    (tmp_path / "prices.json").write_text(json.dumps(own))
    prices = load(tmp_path)
    assert prices.cost("my-deployment", USAGE) == pytest.approx(1.1)
    assert prices.cost("gpt-4.1", USAGE) == 0
    assert prices.cost("gpt-5", USAGE) > 0
    assert prices.as_of == "today"


@pytest.mark.parametrize("text", ["[", "{}", '{"models": {"m": [1, 2]}}', '{"models": {"m": "x"}}'])
def test_a_file_that_cannot_be_used_is_named(tmp_path, text):
    (tmp_path / "prices.json").write_text(text)
    with pytest.raises(SettingsError, match=r"prices\.json holds no prices"):
        load(tmp_path)


def test_usage_adds_up_what_is_known(tmp_path, monkeypatch):
    monkeypatch.setenv("AOAI_MAGIC_HOME", str(tmp_path))
    state = Assistant({})
    views = [View(model="gpt-4.1", usage=USAGE), View(model="offline", usage=USAGE)]
    assert "$" not in usage(state, ())
    state.turns += [Turn(view) for view in views]
    told = usage(state, ())
    assert "about $2.2000 for tokens" in told
    assert "without 1 turns of unknown price" in told
