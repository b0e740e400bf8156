"""What turns cost about."""

import json

import pytest

from aoai_magic.config.prices import load
from aoai_magic.errors import SettingsError
from aoai_magic.notebook.line_commands import usage
from aoai_magic.runner.kernel_state import Assistant
from aoai_magic.state.usage import Spent
from aoai_magic.turn.events import Usage
from aoai_magic.turn.view import View

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


def test_models_of_this_package_are_free(tmp_path):
    prices = load(tmp_path)
    assert prices.free("offline")
    assert prices.free("scripted:/x/y.yaml")
    assert not prices.free("openai:gpt-4.1")


def test_minutes_of_a_container_cost_where_their_price_is_known(tmp_path):
    used = Usage(container_minutes=20)
    assert load(tmp_path).cost("gpt-4.1", used, "openai") == pytest.approx(0.03)
    assert load(tmp_path).cost("gpt-4.1", used, "azure") == 0
    own = {"models": {}, "containers": {"azure": [0.01, 1]}}
    (tmp_path / "prices.json").write_text(json.dumps(own))
    assert load(tmp_path).cost("gpt-4.1", used, "azure") == pytest.approx(0.2)


def test_usage_adds_up_the_notebook_also_after_a_restart(tmp_path, monkeypatch):
    monkeypatch.setenv("AOAI_MAGIC_HOME", str(tmp_path))
    first = Assistant({})
    assert "$" not in usage(first, ())
    spent = first.spent(first.settings())
    spent.add(View(target="openai", model="gpt-4.1", usage=USAGE, cost=2.2))
    spent.add(View(target="openai", model="gpt-4.1", usage=Usage(7, 3, 0, 5)))
    spent.add(View(target="local", model="offline"))
    told = usage(Assistant({}), ())
    assert "gpt-4.1 on openai: 2 turns, 1,100,010 tokens" in told
    assert "5 min of a container, about $2.2000 without 1 turn of unknown price" in told
    assert "offline" not in told
    assert str(tmp_path / "prices.json") in told


def test_a_record_that_cannot_be_written_costs_nothing(tmp_path):
    (tmp_path / "usage.sqlite").write_text("no database at all, but a text of some length")
    Spent(tmp_path, "here").add(View(model="gpt-4.1", usage=USAGE))
