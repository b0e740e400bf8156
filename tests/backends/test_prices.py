"""What turns cost about."""

import json
from datetime import date, timedelta
from pathlib import Path

import pytest

from aoai_magic.config import prices as prices_
from aoai_magic.config.prices import load
from aoai_magic.errors import SettingsError
from aoai_magic.notebook.line_commands import usage
from aoai_magic.runner.kernel_state import Assistant
from aoai_magic.state.usage import UsageLog
from aoai_magic.turn.events import Usage
from aoai_magic.turn.view import View

USAGE = Usage(input_tokens=1_000_000, output_tokens=100_000, cached_tokens=400_000)


@pytest.mark.parametrize(
    "model",
    [
        "gpt-4.1",
        "azure:gpt-4.1",
        "gpt-4.1-2025-04-14",
        "openai:gpt-4.1@https://models.example.org:8443/v1",
    ],
)
def test_cached_tokens_cost_less(tmp_path, model):
    assert load(tmp_path).cost(model, USAGE) == pytest.approx(0.6 * 2 + 0.4 * 0.5 + 0.1 * 8)


def own(folder, price, **more):
    (folder / "prices.json").write_text(json.dumps({"models": {"m": price}, **more}))
    return load(folder)


def test_what_is_written_to_a_cache_and_what_is_long_costs_more(tmp_path):
    above = {"tokens": 1_000, "input": 4, "cached": 2, "written": 6, "output": 8}
    price = {"input": 2, "cached": 1, "written": 3, "output": 4, "above": above}
    prices = own(tmp_path, price)
    used = Usage(1_000, 100, 300, written_tokens=200)
    assert prices.cost("m", used) == pytest.approx((500 * 2 + 300 + 200 * 3 + 100 * 4) / 1e6)
    used = Usage(1_001, 0, 0)
    assert prices.cost("m", used) == pytest.approx(1_001 * 4 / 1e6)
    # Two requests of 501 tokens are two short ones.
    assert prices.cost("m", used, calls=2) == pytest.approx(1_001 * 2 / 1e6)


def test_the_price_of_today_counts(tmp_path):
    days = [date.today() + timedelta(days) for days in (-400, -1, 1)]
    dated = [{"since": str(day), "input": n, "output": n} for n, day in enumerate(days, start=1)]
    prices = own(tmp_path, dated[::-1])
    assert prices.cost("m", Usage(1_000_000)) == 2
    assert own(tmp_path, [dated[2]]).cost("m", Usage(1_000_000)) is None


def test_todays_models_have_prices_with_their_day_and_source():
    ours = json.loads((Path(prices_.__file__).with_name("prices.json")).read_text())
    assert "genai-prices" in ours["source"]
    assert date.fromisoformat(ours["as_of"]) >= date(2026, 11, 1)
    for name in ("gpt-6-sol", "gpt-6-luna", "gpt-6-astra", "gpt-6.1-sol", "gpt-5.6-luna"):
        assert ours["models"][name]


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
    assert prices.free("ollama:qwen3:8b")
    assert prices.free("gguf:/x/y.gguf")
    assert not prices.free("openai:gpt-4.1")
    assert prices.cost("openai:gpt-4.1@http://127.0.0.1:1/v1", USAGE) is None


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
    usage_log = first.usage_log(first.settings())
    usage_log.add(View(target="openai", model="gpt-4.1", usage=USAGE, cost=2.2))
    usage_log.add(View(target="openai", model="gpt-4.1", usage=Usage(7, 3, 0, 5)))
    usage_log.add(View(target="local", model="offline"))
    told = usage(Assistant({}), ())
    assert "gpt-4.1 on openai: 2 turns, 1,100,010 tokens" in told
    assert "5 min of a container, about $2.2000 without 1 turn of unknown price" in told
    assert "offline" not in told
    assert str(tmp_path / "prices.json") in told


def test_a_record_that_cannot_be_written_costs_nothing(tmp_path):
    (tmp_path / "usage.sqlite").write_text("no database at all, but a text of some length")
    UsageLog(tmp_path, "here").add(View(model="gpt-4.1", usage=USAGE))
