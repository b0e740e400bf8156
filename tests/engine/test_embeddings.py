"""Search by meaning: real engine and SDK; the server of embeddings is far away and faked."""

from __future__ import annotations

import importlib.util

import numpy as np
import pytest
from sqlalchemy import create_engine, text
from starlette.responses import JSONResponse

from aoai_magic.engine.errors import StoreError
from aoai_magic.engine.models.base import ModelError
from aoai_magic.engine.models.local import open_gguf
from aoai_magic.engine.models.remote import open_azure, open_openai
from aoai_magic.engine.search import embedding
from aoai_magic.engine.search.fusion import Weights, fuse, rank_again
from aoai_magic.engine.search.index import Index, Indexed
from aoai_magic.engine.search.passages import Passage
from aoai_magic.engine.search.vectors import Vectors

from .models.chat_server import KEY, ChatServer, fault
from .test_file_search import found, upload

SENSES = (("zebra", "striped horse", "シマウマ"), ("car", "automobile"), ("tax", "duty"))


def vector(text):
    """Return a vector of what a text is about, and of nothing else."""
    about = [float(any(word in text for word in words)) for words in SENSES]
    return [*about, 0.05]


def embeddings(body):
    """Answer as the service does, in any order."""
    data = [
        {"object": "embedding", "index": n, "embedding": vector(text)}
        for n, text in enumerate(body["input"])
    ]
    usage = {"prompt_tokens": 1, "total_tokens": 1}
    return JSONResponse({"object": "list", "data": data[::-1], "model": "m", "usage": usage})


@pytest.fixture
def server():
    with ChatServer() as server:
        server.answer = embeddings
        yield server


@pytest.fixture
def meaning(server, start_engine, monkeypatch):
    """An engine that compares meanings."""
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    return start_engine(embeddings=f"openai:m@{server.url}/v1")


def fill(client, **files):
    ids = [upload(client, f"{name}.txt", text).id for name, text in files.items()]
    held = client.vector_stores.create()
    batch = client.vector_stores.file_batches.create_and_poll(held.id, file_ids=ids)
    assert batch.file_counts.completed == len(ids)
    return held.id


def names(client, held, query, **options):
    return [name for name, _ in found(client, held, query, **options)]


ANIMALS = {"a": "The zebra runs.", "b": "The automobile runs fast.", "c": "A duty on tea."}


def test_meaning_is_found_and_words_too_and_the_key_stays_at_home(meaning, server):
    client = meaning.openai()
    held = fill(client, **ANIMALS)
    assert names(client, held, "striped horse")[0] == "a.txt"
    assert names(client, held, "シマウマ")[0] == "a.txt"
    assert names(client, held, "tea")[0] == "c.txt"
    assert set(server.keys) == {"Bearer none"}
    assert all(url.startswith("/v1/embeddings") for url in server.urls)
    status = client.get("/engine", cast_to=object)["search"]
    assert status == {"embeddings": f"openai:m@{server.url}/v1", "error": None}


def test_weights_filters_and_ranker(meaning):
    client = meaning.openai()
    held = fill(client, **ANIMALS)
    query = "car, no zebra runs"

    def weighed(text, sense, **more):
        weights = {"text_weight": text, "embedding_weight": sense}
        ranking = {"hybrid_search": weights, **more}
        return names(client, held, query, extra_body={"ranking_options": ranking})

    assert set(weighed(1, 0)) == {"a.txt", "b.txt"}
    assert "c.txt" in weighed(0, 1)
    assert set(weighed(1, 1, ranker="none")) == {"a.txt", "b.txt", "c.txt"}
    with pytest.raises(Exception, match="At least one of the weights"):
        weighed(0, 0)
    file = next(f for f in client.files.list() if f.filename == "b.txt")
    client.vector_stores.files.update(file.id, vector_store_id=held, attributes={"kind": "car"})
    only = {"type": "eq", "key": "kind", "value": "car"}
    assert names(client, held, "striped horse", filters=only) == ["b.txt"]
    client.vector_stores.files.delete(file.id, vector_store_id=held)
    assert names(client, held, "automobile")[:1] != ["b.txt"]


def test_many_passages_go_in_bounded_batches(meaning, server):
    client = meaning.openai()
    fill(client, **{f"n{n}": f"number {n} zebra" for n in range(150)})
    sizes = [len(body["input"]) for body in server.bodies]
    assert sum(sizes) == 150
    assert max(sizes) <= 64


def test_file_is_kept_where_the_model_fails_and_made_up_for_later(meaning, server, monkeypatch):
    monkeypatch.setattr(embedding, "_REST_SECONDS", 0.0)
    client = meaning.openai()
    server.answer = lambda body: fault(400, "no such model")
    held = fill(client, **ANIMALS)
    for file in client.vector_stores.files.list(held):
        assert file.status == "completed"
        assert file.last_error.code == "server_error"
        assert "by words alone" in file.last_error.message
        assert "no such model" in file.last_error.message
        assert KEY not in file.last_error.message
    assert names(client, held, "zebra") == ["a.txt"]
    assert names(client, held, "striped horse") == []
    assert "no such model" in client.get("/engine", cast_to=object)["search"]["error"]
    server.answer = embeddings
    names(client, held, "zebra")  # shows that the model is back
    assert names(client, held, "striped horse")[0] == "a.txt"
    assert [file.last_error for file in client.vector_stores.files.list(held)] == [None] * 3


def test_another_model_begins_again(meaning, server, start_engine):
    held = fill(meaning.openai(), **ANIMALS)
    asked = len(server.bodies)
    held_there = {"data_dir": meaning.data_dir, "database": meaning.database}
    other = start_engine(embeddings=f"openai:other@{server.url}/v1", **held_there)
    assert names(other.openai(), held, "striped horse")[0] == "a.txt"
    assert [body["model"] for body in server.bodies[asked:]].count("other") >= 2
    plain = start_engine(**held_there)
    assert names(plain.openai(), held, "striped horse") == []
    assert names(plain.openai(), held, "zebra") == ["a.txt"]


QUERIES = ("striped horse", "the automobile", "car, no zebra runs", "シマウマ", "duty on tea", "!?")


@pytest.mark.lengthy
def test_both_databases_find_the_same(server, start_engine, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    lists = []
    for database in (None, "postgresql"):
        engine = start_engine(embeddings=f"openai:m@{server.url}/v1", database=database)
        client = engine.openai()
        held = fill(client, **ANIMALS, d="A striped horse and a car.", e="Tax, duty and zebra.")
        lists.append([found(client, held, query) for query in QUERIES])
    assert lists[0] == lists[1]
    assert [bool(one) for one in lists[0]] == [True] * 6


@pytest.mark.lengthy
def test_passages_of_an_earlier_format_are_made_anew(start_engine):
    engine = start_engine(database="postgresql")
    held = fill(engine.openai(), **ANIMALS)
    with create_engine(engine.database).begin() as database:
        database.execute(text("UPDATE passages SET format = 3, words = '', terms = ''"))
    assert names(engine.openai(), held, "zebra") == ["a.txt"]


@pytest.mark.lengthy
def test_an_account_that_may_not_turn_vectors_on_is_told_so(server, start_engine, postgresql):
    url = postgresql.new_database()
    with create_engine(url).begin() as admin:
        admin.execute(text("CREATE ROLE plain LOGIN"))
        admin.execute(text("GRANT ALL ON SCHEMA public TO plain"))
    with pytest.raises(StoreError, match=r"^Search by meaning needs .* pgvector \(permission den"):
        start_engine(
            embeddings="openai:m@http://127.0.0.1:9", database=url.replace("tests", "plain")
        )


async def test_model_that_failed_is_left_alone_for_a_while(server, monkeypatch):
    monkeypatch.setenv("OPENAI_BASE_URL", f"{server.url}/v1")
    server.answer = lambda body: fault(400, "no such model")
    asked = embedding.Embedding(open_openai("m"))
    for _ in range(2):
        with pytest.raises(embedding.EmbeddingError, match="no such model"):
            await asked.vectors(["zebra"])
    assert len(server.bodies) == 1


async def test_busy_endpoint_is_asked_again_and_a_long_text_is_shortened(server, monkeypatch):
    monkeypatch.setenv("OPENAI_BASE_URL", f"{server.url}/v1")
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    answers = [
        lambda _: JSONResponse({"error": {"message": "busy"}}, 429, {"retry-after": "0"}),
        lambda _: fault(400, "maximum context length is 512 tokens"),
        embeddings,
    ]
    server.answer = lambda body: answers.pop(0)(body)
    made = await open_openai("m").embed(["zebra " * 1_000, "car"])
    assert made == [vector("zebra"), vector("car")]
    assert len(server.bodies[-1]["input"][0]) == 3_000
    assert set(server.keys) == {f"Bearer {KEY}"}


async def test_azure_is_asked_by_the_deployment(server, monkeypatch):
    monkeypatch.setenv("AZURE_OPENAI_ENDPOINT", server.url)
    monkeypatch.setenv("AZURE_OPENAI_API_KEY", KEY)
    monkeypatch.delenv("OPENAI_API_VERSION", raising=False)
    model = open_azure("deployed")
    assert await model.embed(["zebra"]) == [vector("zebra")]
    assert server.urls[-1].startswith("/openai/v1/embeddings")
    assert server.bodies[-1]["model"] == "deployed"
    old = [lambda _: fault(404, "Resource not found"), embeddings]
    server.answer = lambda body: old.pop(0)(body)
    assert await model.embed(["zebra"]) == [vector("zebra")]
    assert server.urls[-1].startswith("/openai/deployments/deployed/embeddings")


async def test_answer_that_is_none_is_refused(server, monkeypatch):
    monkeypatch.setenv("OPENAI_BASE_URL", f"{server.url}/v1")
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    for data in ([], [{"index": 0, "embedding": [float("1e39")]}], [{"index": 0}]):
        server.answer = lambda _, data=data: JSONResponse({"data": data})
        asked = embedding.Embedding(open_openai("m"))
        with pytest.raises(embedding.EmbeddingError):
            await asked.vectors(["zebra"])


@pytest.mark.usefixtures("on_sqlite")
def test_model_that_makes_none_is_refused(start_engine):
    with pytest.raises(ValueError, match="offline makes no embeddings"):
        start_engine(embeddings="offline")


@pytest.mark.skipif(
    importlib.util.find_spec("xllamacpp") is None, reason="the extra gguf is not installed"
)
async def test_file_makes_embeddings(tmp_path):
    from .models import tiny_gguf

    model = open_gguf(str(tiny_gguf.write(tmp_path / "tiny.gguf", pooling=1)))
    made = await embedding.Embedding(model).vectors(["a b", "b", "a " * 2_000])
    assert made.shape == (3, tiny_gguf.WIDTH)
    np.testing.assert_allclose(np.linalg.norm(made, axis=1), 1, rtol=1e-4)
    with pytest.raises(ModelError, match="cannot be read"):
        open_gguf(str(tmp_path / "other.gguf"))


# The parts


def test_vectors_are_replaced_cleared_and_found(tmp_path):
    vectors = Vectors(tmp_path / "in" / "x.vectors")
    assert vectors.nearest(np.float32([1, 0]), 5) == {}
    vectors.put([1, 2, 5], np.float32([[1, 0], [0, 1], [0.6, 0.8]]))
    assert list(vectors.nearest(np.float32([1, 0]), 5)) == [1, 5]
    assert list(vectors.nearest(np.float32([1, 0]), 1)) == [1]
    assert list(vectors.nearest(np.float32([1, 0]), 5, allowed=[2, 5, 9])) == [5]
    assert vectors.cosines(np.float32([0, 1]), [1, 2, 3, 9]) == {1: 0, 2: 1, 3: 0}
    vectors.clear([1])
    assert list(vectors.nearest(np.float32([1, 0]), 5)) == [5]
    vectors.put([1], np.float32([[1, 0, 0]]))
    assert vectors.nearest(np.float32([1, 0]), 5) == {}
    vectors.drop()
    assert vectors.nearest(np.float32([1, 0, 0]), 5) == {}


def indexed(text, *vector, model="m"):
    rows = np.float32([vector]) if vector else None
    return Indexed("x.txt", [Passage(0, text)], model, rows)


def test_files_that_are_replaced_halfway_keep_their_vectors(tmp_path):
    index = Index(tmp_path / "x.sqlite")
    index.put({"a": indexed("old", 1, 0)})
    with pytest.raises(TypeError):
        index.put({"a": indexed("new", 0, 1), "b": indexed(None)})
    [hit] = index.search("?", 5, vector=np.float32([1, 0]))
    assert (hit.file_id, hit.text) == ("a", "old")
    # What the broken one left is no other passage's.
    index.put({"c": indexed("without")})
    assert [hit.file_id for hit in index.search("?", 5, vector=np.float32([0, 1]))] == []
    index.put({"a": indexed("newest", 0, 1)})
    assert [hit.text for hit in index.search("?", 5, vector=np.float32([1, 0]))] == []
    assert [hit.text for hit in index.search("?", 5, vector=np.float32([0, 1]))] == ["newest"]


def test_vectors_of_another_length_are_made_for_the_others_too(tmp_path):
    index = Index(tmp_path / "x.sqlite")
    index.put({"a": indexed("old", 1, 0)})
    index.put({"b": indexed("new", 1, 0, 0)})
    assert index.lacking("m") == ["a"]


def test_lists_are_merged_by_rank_and_ranked_again_by_score():
    words, meant = {1: 0.9, 2: 0.2}, {2: 0.8, 3: 0.7}
    fused = fuse(words, meant, Weights())
    assert max(fused, key=fused.get) == 2
    assert fuse({1: 0.5}, {1: 0.1}, Weights()) == {1: 1.0}
    tied = [fuse(scores, {}, Weights()) for scores in ({1: 0.5, 3: 0.5}, {3: 0.5, 1: 0.5})]
    assert tied[0] == tied[1]
    assert max(fuse(words, meant, Weights(words=0)).items(), key=lambda one: one[1])[0] == 2
    again = rank_again([1, 2, 3], words, meant, Weights())
    assert again == pytest.approx({1: 0.5, 2: 0.5 * (0.2 / 0.9) + 0.5, 3: 0.5 * 0.7 / 0.8})
