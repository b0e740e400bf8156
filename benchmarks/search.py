"""What file search finds, and what it costs, beside plain BM25.

    python benchmarks/search.py [--files 10000] [--queries 100] [--embeddings SPEC]

For each set of `retrieval_sets.py`, recall@10 and nDCG@10 of

- ``ours``: the engine's vector stores, asked through the SDK,
- ``bm25s`` (pip install bm25s): its words, and as a second peer pairs of neighbouring
  characters,
- with ``--embeddings`` also the embeddings alone.

Then, for stores of 1, 100 and so many small files: how long it takes to take them in, memory
and disk of the engine, and the time of a question, one at a time and eight at once, beside a
look through the same texts for its words.
"""

import argparse
import json
import math
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import bm25s
import psutil
import retrieval_sets
from openai import OpenAI

SERVE = """
import sys
from pathlib import Path
from aoai_magic.engine.config import EngineConfig
from aoai_magic.engine.server.process import serve
serve(EngineConfig(data_dir=Path(sys.argv[1]), port=0, embeddings=sys.argv[2] or None))
"""
TOP = 10
ALONE = {"text_weight": 0.0, "embedding_weight": 1.0}
WORDS = [f"{a}{b}" for a in ("pol", "rev", "cust", "mod", "sys", "dat") for b in range(400)]
COMMON = ("the", "report", "of", "a", "customer", "is", "about", "policy", "and", "revenue", "in")


class Engine:
    """An engine in a process of its own, and a client of it."""

    def __init__(self, folder, embeddings):
        self.folder = folder
        command = [sys.executable, "-c", SERVE, folder, embeddings]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE)
        url = json.loads(self._process.stdout.readline())["url"]
        token = (folder / "token").read_text()
        self.client = OpenAI(base_url=f"{url}/v1", api_key=token, max_retries=0)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._process.terminate()
        self._process.wait(20)

    def memory(self):
        processes = psutil.Process(self._process.pid)
        return sum(p.memory_info().rss for p in (processes, *processes.children(recursive=True)))

    def disk(self):
        return sum(path.stat().st_size for path in self.folder.rglob("*") if path.is_file())

    def store(self, texts):
        """Put texts into a vector store; return its id and how long they took to be taken in."""
        with ThreadPoolExecutor(8) as pool:
            ids = list(pool.map(self._upload, enumerate(texts)))
        began = time.perf_counter()
        store = self.client.vector_stores.create().id
        for start in range(0, len(ids), 500):
            batch = ids[start : start + 500]
            self.client.vector_stores.file_batches.create(store, file_ids=batch)
        while self.client.vector_stores.retrieve(store).file_counts.in_progress:
            time.sleep(0.1)
        counts = self.client.vector_stores.retrieve(store).file_counts
        assert counts.completed == len(texts), counts
        return store, time.perf_counter() - began

    def _upload(self, numbered):
        number, text = numbered
        file = (f"{number}.txt", text.encode())
        return self.client.files.create(file=file, purpose="assistants").id

    def ask(self, store, question, **weights):
        """Return the numbers of the files found, the best first."""
        options = {"ranking_options": {"hybrid_search": weights}} if weights else {}
        found = self.client.vector_stores.search(
            store, query=question, max_num_results=50, extra_body=options
        )
        return list(dict.fromkeys(int(hit.filename.removesuffix(".txt")) for hit in found))


def by_bm25s(documents, cut):
    """Return a function that finds documents by bm25s."""
    index = bm25s.BM25()
    index.index(cut(documents), show_progress=False)
    most = min(TOP, len(documents))

    def ask(question):
        tokens = cut([question])
        return list(index.retrieve(tokens, k=most, show_progress=False)[0][0]) if tokens[0] else []

    return ask


def words(texts):
    return bm25s.tokenize(texts, stopwords="en", return_ids=False, show_progress=False)


def pairs_of_characters(texts):
    return [[text[at : at + 2] for at in range(len(text) - 1)] for text in texts]


def quality(ask, made):
    """Return the recall and nDCG, of the first ten, over a set."""
    ranks = []
    for question, answer in zip(made.questions, made.answers, strict=True):
        found = ask(question)[:TOP]
        ranks.append(found.index(answer) if answer in found else None)
    gains = [0 if rank is None else 1 / math.log2(rank + 2) for rank in ranks]
    return sum(rank is not None for rank in ranks) / len(ranks), statistics.fmean(gains)


def compare(engine, embeddings):
    for name, made in retrieval_sets.sets().items():
        store, _ = engine.store(made.documents)
        found = {"ours": quality(lambda text, s=store: engine.ask(s, text), made)}
        if embeddings:
            found["embeddings"] = quality(lambda t, s=store: engine.ask(s, t, **ALONE), made)
        for peer, cut in (("bm25s words", words), ("bm25s pairs", pairs_of_characters)):
            found[peer] = quality(by_bm25s(made.documents, cut), made)
        best = max(ndcg for peer, (_, ndcg) in found.items() if peer != "ours")
        print(f"{name}: {len(made.questions)} questions, {len(made.documents):,} documents")
        for peer, (recall, ndcg) in found.items():
            print(f"  {peer:12} recall@10 {recall:.3f}, nDCG@10 {ndcg:.3f}")
        print(f"  ours / best peer {found['ours'][1] / best:.2f}")


def small_files(count):
    """Make the texts of small files, about a page each, in few common and many rare words."""
    chance = random.Random(1)
    for _ in range(count):
        drawn = chance.choices(COMMON, k=120) + chance.choices(WORDS, k=60)
        chance.shuffle(drawn)
        yield " ".join(drawn)


def timed(work, *arguments):
    began = time.perf_counter()
    work(*arguments)
    return time.perf_counter() - began


def look_through(texts, question):
    asked = question.lower().split()
    sorted(texts, key=lambda text: -sum(text.count(word) for word in asked))[:TOP]


def milliseconds(times):
    p95 = sorted(times)[int(len(times) * 0.95)]
    return f"p50 {statistics.median(times) * 1e3:.1f} ms, p95 {p95 * 1e3:.1f} ms"


def cost(engine, count, queries):
    texts = list(small_files(count))
    memory, disk = engine.memory(), engine.disk()
    store, took = engine.store(texts)
    print(f"{count:,} files: taken in in {took:.1f} s ({count / took:.0f} a second)")
    print(f"  the engine grew by {(engine.memory() - memory) / 1e6:.0f} MB of memory and ", end="")
    print(f"{(engine.disk() - disk) / 1e6:.0f} MB on disk")
    chance = random.Random(2)
    asked = [
        f"the policy on revenue of {' '.join(chance.sample(WORDS, 3))}" for _ in range(queries)
    ]
    times = [timed(engine.ask, store, question) for question in asked]
    with ThreadPoolExecutor(8) as pool:
        at_once = list(pool.map(lambda question: timed(engine.ask, store, question), asked))
    through = [timed(look_through, texts, question) for question in asked]
    print("  a question:", milliseconds(times))
    print("  eight at once:", milliseconds(at_once))
    print("  looking through all texts:", milliseconds(through))


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--files", type=int, default=10_000)
    parser.add_argument("--queries", type=int, default=100)
    parser.add_argument("--embeddings", default="", metavar="SPEC")
    given = parser.parse_args()
    with (
        tempfile.TemporaryDirectory() as folder,
        Engine(Path(folder, "data"), given.embeddings) as engine,
    ):
        compare(engine, given.embeddings)
        for count in sorted({1, min(100, given.files), given.files}):
            cost(engine, count, given.queries)


if __name__ == "__main__":
    os.environ.pop("AOAI_MAGIC_LIFELINE", None)
    main()
