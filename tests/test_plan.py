"""What is asked before data leaves this machine."""

import openai
import pandas as pd
import pytest
from PIL import Image

from aoai_magic.config.settings import resolve
from aoai_magic.errors import AttachError, ServiceError, SettingsError, TurnError
from aoai_magic.runner.kernel_state import Assistant
from aoai_magic.runner.options import Options

NAMES = {"sales": pd.DataFrame({"region": ["N", "S"], "revenue": [1, 2]})}
ELSEWHERE = "https://engine.example.org"


@pytest.fixture
def asked(monkeypatch):
    """Answer every question with y unless told otherwise; give the questions."""
    questions = []
    monkeypatch.setenv("AOAI_MAGIC_CONFIRM_UPLOAD", "true")

    def answer(words="y"):
        def reply(question):
            questions.append(question)
            if isinstance(words, Exception):
                raise words
            return words

        monkeypatch.setattr("builtins.input", reply)
        return questions

    return answer


async def ask(target, *items, **options):
    await Assistant(dict(NAMES)).ask("Total?", Options(items=items, on=target, **options))


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        ("n", "Nothing was sent, because the answer was not y; --dry-run shows"),
        ("", "Nothing was sent, because the answer was not y"),
        (EOFError(), "nobody can answer here; set it to false for runs without a user"),
        (RuntimeError("no stdin"), "nobody can answer here"),
    ],
)
async def test_without_a_yes_nothing_leaves(asked, answer, sentence):
    questions = asked(answer)

    with pytest.raises(AttachError, match=sentence):
        await ask(ELSEWHERE, "sales", rows=10)

    [question] = questions
    assert question.startswith("Send at most 10 rows of each frame of sales (DataFrame, 2 × 2, ")
    assert question.endswith(f" bytes) to the engine at {ELSEWHERE}, model its default? [y/N] ")


async def test_after_a_yes_the_turn_goes_on(asked):
    questions = asked("Y")

    with pytest.raises(ServiceError, match="No token for"):
        await ask(ELSEWHERE, "sales")
    assert len(questions) == 1


async def test_nothing_is_asked_where_no_data_leaves(asked, monkeypatch):
    questions = asked("n")

    with pytest.raises(ServiceError, match="No token for"):
        await ask(ELSEWHERE)
    with pytest.raises(ServiceError, match="No token for"):
        await ask("http://127.0.0.1:9", "sales", model="ollama:qwen3")
    monkeypatch.setenv("AOAI_MAGIC_CONFIRM_UPLOAD", "no")
    with pytest.raises(ServiceError, match="No token for"):
        await ask(ELSEWHERE, "sales")
    assert questions == []


@pytest.fixture
def secret(tmp_path, monkeypatch):
    path = tmp_path / "secret.txt"
    path.write_text("x")
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return path


@pytest.mark.parametrize("answer", ["n", "", EOFError(), RuntimeError("no stdin")])
async def test_a_file_outside_the_folder_goes_only_after_a_yes(asked, secret, answer, monkeypatch):
    questions = asked(answer)
    monkeypatch.delenv("AOAI_MAGIC_CONFIRM_UPLOAD")

    with pytest.raises(
        AttachError, match=r"Nothing was sent: .*secret\.txt is outside .*here; to at"
    ):
        await Assistant({}).ask(f"Read @{secret}", Options())
    assert questions == [
        f"Attach {secret}, which is outside the folder {secret.parent}/here? [y/N] "
    ]


async def test_a_yes_or_the_magic_line_lets_it_go(asked, secret, monkeypatch, capsys):
    questions = asked("y")
    monkeypatch.delenv("AOAI_MAGIC_CONFIRM_UPLOAD")

    with pytest.raises(ServiceError, match="No token for"):
        await Assistant({}).ask("Read @../secret.txt", Options(on=ELSEWHERE))
    assert len(questions) == 1
    with pytest.raises(ServiceError, match="No token for"):
        await Assistant({}).ask("Read @../secret.txt", Options(("@../secret.txt",), on=ELSEWHERE))
    await Assistant({}).ask("Read @../secret.txt", Options(dry_run=True))
    assert len(questions) == 1
    assert "you will be asked before it goes" in capsys.readouterr().out


@pytest.mark.parametrize("typed", ["See {{text}}", "See `@../secret.txt`", "@{{text[1:]}}"])
async def test_what_an_expression_yields_or_code_says_never_attaches(secret, capsys, typed):
    text = "@../secret.txt @sales"

    await Assistant({**NAMES, "text": text}).ask(typed, Options(dry_run=True))
    said = capsys.readouterr().out
    assert "../secret.txt" in said
    assert "in all 0 files, 0 bytes" in said


CLOUD = {
    "openai:m": "https://api.openai.com/v1",
    "openai:m@https://models.example.org/v1": "https://models.example.org/v1",
    "azure:d": "https://name.openai.azure.com",
    "ollama:q": "http://gpu.example.org:11434",
}


@pytest.fixture
def services(monkeypatch):
    monkeypatch.setenv("AZURE_OPENAI_ENDPOINT", "https://name.openai.azure.com")
    monkeypatch.setenv("OLLAMA_HOST", "gpu.example.org")


@pytest.mark.parametrize(("model", "host"), CLOUD.items())
async def test_a_local_engine_with_a_model_elsewhere_asks_and_names_it(
    asked, services, model, host
):
    questions = asked("n")
    with pytest.raises(AttachError, match="the answer was not y"):
        await ask("local", "sales", model=model, schema_only=True)
    [question] = questions
    assert "Send the description of sales (DataFrame, 2 × 2" in question
    assert "what the code prints and the pictures that it draws" in question
    assert f"to the model {model} at {host} (code runs and files stay on this machine)" in question
    assert "--schema-only leaves values out of the descriptions alone" in question


@pytest.mark.parametrize("model", ["openai:m@http://127.0.0.1:1/v1", "ollama:q", "offline"])
async def test_a_model_on_this_machine_is_not_asked_for(asked, capsys, model):
    questions = asked("n")
    state = Assistant(dict(NAMES))
    request = state._request("Total?", Options(("sales",), on="local", model=model), {})
    request.confirm()
    await ask("local", "sales", model=model, dry_run=True, schema_only=True)
    assert questions == []
    said = capsys.readouterr().out
    assert f"would go to the model {model} on this machine" in said
    assert "--schema-only" not in said


async def test_an_engine_here_whose_model_may_be_elsewhere_asks(asked):
    questions = asked("n")
    for model in ("", "openai:m"):
        with pytest.raises(AttachError, match="the answer was not y"):
            await ask("http://127.0.0.1:9", "sales", model=model)
    assert len(questions) == 2


async def test_a_dry_run_tells_what_goes_to_a_model_elsewhere_and_what_stays(capsys, services):
    await ask("local", "sales", model="openai:m", dry_run=True, out="top", instructions="Be brief.")
    goes, stays = capsys.readouterr().out.split("These files stay on this machine")
    assert goes.startswith(
        "Nothing was sent. This would go to the model openai:m at https://api.openai.com/v1 (code"
    )
    for text in ("description of sales, ", "`sales`: pandas.DataFrame", "Be brief.", "`top`"):
        assert text in goes
    assert "then what the code prints, its errors, and the pictures that it draws" in goes
    assert "sales.arrow" not in goes
    assert "sales.arrow" in stays


async def test_pictures_that_a_model_is_shown_are_named_before(
    asked, capsys, services, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    Image.new("RGB", (4, 3)).save("chart.png")
    await ask("local", "@chart.png", model="openai:m", dry_run=True)
    size = (tmp_path / "chart.png").stat().st_size
    goes, _stays = capsys.readouterr().out.split("These files stay on this machine")
    assert f"  shown to a model that takes pictures: chart.png, {size} bytes\n" in goes
    questions = asked("n")
    with pytest.raises(AttachError, match="the answer was not y"):
        await ask("local", "@chart.png", model="openai:m")
    assert questions[0].startswith("A model that takes pictures is shown chart.png. Send the ")
    await ask("local", "@chart.png", model="openai:m", dry_run=True, schema_only=True)
    assert "shown to" not in capsys.readouterr().out


def test_the_setting_is_a_switch():
    assert resolve(config={"confirm_upload": True}).confirm_upload is True
    assert resolve(environ={"AOAI_MAGIC_CONFIRM_UPLOAD": "off"}).confirm_upload is False
    with pytest.raises(SettingsError, match=r"confirm_upload is 'maybe' .environment., but must"):
        resolve(environ={"AOAI_MAGIC_CONFIRM_UPLOAD": "maybe"})


async def test_a_dry_run_counts_one_file_as_one(capsys):
    await ask("local", "sales", dry_run=True)
    assert "in all 1 file, " in capsys.readouterr().out


async def test_a_dry_run_names_what_a_service_would_get(monkeypatch, capsys):
    monkeypatch.setenv("AZURE_OPENAI_ENDPOINT", "https://name.openai.azure.com")
    await ask("azure", "sales", dry_run=True, model="m")
    said = capsys.readouterr().out
    assert "would go to Azure OpenAI at https://name.openai.azure.com, deployment m:" in said
    assert "  sales.csv  35 bytes (pandas.DataFrame sales, as typed CSV)\n" in said
    assert "  load_sales.py  " in said
    assert "in all 2 files" in said
    assert ".arrow" not in said


@pytest.mark.parametrize("dry_run", [True, False])
async def test_what_a_service_does_not_take_is_refused_with_the_numbers(
    monkeypatch, tmp_path, engine, dry_run
):
    if not dry_run and not hasattr(openai.AsyncOpenAI, "containers"):
        pytest.skip("this openai SDK knows no containers")
    monkeypatch.setenv("AZURE_OPENAI_ENDPOINT", engine.url)
    monkeypatch.setenv("AZURE_OPENAI_API_KEY", engine.token)
    monkeypatch.chdir(tmp_path)
    for number in range(21):
        (tmp_path / f"{number}.txt").write_text(str(number))
    how = {"model": "gpt-4.1", "dry_run": dry_run}
    with pytest.raises((AttachError, TurnError), match=r"21 items are attached.*takes 20 files"):
        await ask("azure", "@*.txt", **how)
    with (tmp_path / "large.bin").open("wb") as file:
        file.truncate(600 << 20)
    with pytest.raises((AttachError, TurnError), match=r"600 MB.*up to 512 MB.*--on local"):
        await ask("azure", "@large.bin", **how)
    monkeypatch.setattr("aoai_magic.backends.responses_api.limits.FILE_BYTES", 10)
    with pytest.raises((AttachError, TurnError), match="sales is 0 MB in the form"):
        await ask("azure", "sales", **how)
