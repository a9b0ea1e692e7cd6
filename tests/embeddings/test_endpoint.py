"""An encoder behind a local endpoint that fails at random; where its address and key may go, and where not."""

import hashlib
import json
import random
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest

from stackstudy.embeddings import embed as embed_module
from stackstudy.embeddings import endpoint as module
from stackstudy.embeddings import shards as shards_module
from stackstudy.embeddings.embed import embed_questions
from stackstudy.embeddings.endpoint import Endpoint, load
from stackstudy.embeddings.store import load_stream, stream_metadata

KEY = "secret-key-17"
SIZES = {"max_length": 24, "sequence_tokens": 6, "chunk_length": 12, "max_chunks": 4, "tokens_per_batch": 128}
DIMENSION = 12


def vector(text):
    seed = int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big")
    return np.random.default_rng(seed).normal(size=DIMENSION)


class Server(ThreadingHTTPServer):
    """Answers with a vector for each text; of its answers the share `bad` is not one."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.bad, self.troubles, self.chance, self.lock = 0.0, ("500",), random.Random(3), threading.Lock()
        self.answers, self.sizes, self.keys = 0, [], set()
        self.url = f"http://127.0.0.1:{self.server_port}/v1"


class Handler(BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        key = self.headers.get("Authorization", "")
        with self.server.lock:
            self.server.sizes.append(len(asked["input"]))
            self.server.keys.add(key)
            bad = self.server.chance.random() < self.server.bad
            trouble = self.server.chance.choice(self.server.troubles) if bad else ""
        if self.path != "/v1/embeddings" or asked["model"] != "tiny" or "" in asked["input"]:
            return self.answer(400, f"cannot serve {asked['model']} to {key}".encode())
        entries = [{"index": i, "embedding": list(vector(text))} for i, text in enumerate(asked["input"])]
        if trouble == "cut":
            return None
        if trouble == "short":
            entries = entries[1:]
        if trouble == "nan":
            entries[0]["embedding"][0] = float("nan")
        content = b"<html>" if trouble == "html" else json.dumps({"data": entries[::-1]}).encode()
        code = int(trouble) if trouble.isdigit() else 200
        if code == 200:
            self.server.answers += 1
        return self.answer(code, content)

    def answer(self, code, content):
        self.send_response(code)
        if code == 429:
            self.send_header("Retry-After", "0.01")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setattr(module, "FIRST_WAIT", 0.001)
    monkeypatch.setattr(module, "LONGEST_WAIT", 0.02)
    monkeypatch.setattr(module, "TEXTS_PER_REQUEST", 3)
    monkeypatch.setattr(shards_module, "SHARD_TEXTS", 7)
    with Server() as served:
        thread = threading.Thread(target=served.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        monkeypatch.setenv(module.URL, served.url)
        monkeypatch.setenv(module.KEY, KEY)
        yield served
        served.shutdown()
        thread.join()


def contents(folder):
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def test_the_store_has_the_vectors_of_the_endpoint_but_none_of_tokens(server, table, tmp_path):
    encoder = load("endpoint:tiny")
    assert (encoder.name, encoder.model_id, encoder.dimension) == ("endpoint:tiny", "tiny", DIMENSION)
    questions = table(40)
    embed_questions(questions, tmp_path, encoder=encoder, **SIZES)
    assert {path.stem for path in tmp_path.glob("*.json")} == {"tag", "title", "body", "body_chunks"}
    titles = load_stream(tmp_path, "title")
    expected = np.array([vector(title) for title in questions["title"]])
    np.testing.assert_allclose(titles, expected / np.linalg.norm(expected, axis=1, keepdims=True), atol=1e-3)
    words = questions["body"][17].split()
    offsets = load_stream(tmp_path, "body_chunks_offsets")
    assert offsets[18] - offsets[17] == min(4, -(-len(words) // 9))
    second = vector(" ".join(words[9:18]))
    chunk = load_stream(tmp_path, "body_chunks")[offsets[17] + 1]
    np.testing.assert_allclose(chunk, second / np.linalg.norm(second), atol=1e-3)
    cut = vector(" ".join(words[:18]))
    np.testing.assert_allclose(load_stream(tmp_path, "body")[17], cut / np.linalg.norm(cut), atol=1e-3)
    assert max(server.sizes) == 3
    assert server.keys == {f"Bearer {KEY}"}


def test_random_failures_change_no_byte_and_no_shard_is_asked_for_twice(server, table, tmp_path, monkeypatch):
    embed_questions(table(40), tmp_path / "calm", encoder=load("endpoint:tiny"), **SIZES)
    undisturbed = server.answers
    server.answers, server.bad = 0, 0.3
    server.troubles = ("500", "429", "cut", "short", "nan", "html")
    encoder = load("endpoint:tiny")
    make, calls = Endpoint.chunk_vectors, []

    def killed(self, *args, **kwargs):
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return make(self, *args, **kwargs)

    monkeypatch.setattr(Endpoint, "chunk_vectors", killed)
    with pytest.raises(KeyboardInterrupt):
        embed_questions(table(40), tmp_path / "rough", encoder=encoder, **SIZES)
    before = server.answers
    embed_questions(table(40), tmp_path / "rough", encoder=encoder, **SIZES)
    assert contents(tmp_path / "rough") == contents(tmp_path / "calm")
    assert len(calls) == 3 + len(range(0, 38, 7)) - 2
    assert before > 20
    assert undisturbed <= server.answers < 2 * undisturbed


def test_what_does_not_pass_is_one_line_without_the_key(server, monkeypatch, caplog):
    with pytest.raises(ValueError, match=r"model large: 400 cannot serve large to Bearer \*\*\*") as caught:
        load("endpoint:large")
    server.bad = 1.0
    with pytest.raises(ValueError, match="model tiny: 8 tries, at last the answer 500") as failed:
        load("endpoint:tiny")
    assert KEY not in f"{caught.value} {failed.value} {caplog.text}"
    assert caught.value.__cause__ is None
    monkeypatch.delenv(module.URL)
    with pytest.raises(ValueError, match="set STACKSTUDY_ENDPOINT to its address"):
        load("endpoint:tiny")


def test_key_and_address_are_in_no_file_and_no_log(server, table, tmp_path, caplog):
    caplog.set_level("DEBUG")
    server.bad = 0.2
    encoder = load("endpoint:tiny")
    embed_questions(table(10), tmp_path, encoder=encoder, **SIZES)
    assert stream_metadata(tmp_path, "title")["model"] == "tiny"
    written = b"".join(contents(tmp_path).values()) + caplog.text.encode() + repr(encoder).encode()
    assert KEY.encode() not in written
    assert str(server.server_port).encode() not in b"".join(contents(tmp_path).values())


def test_streams_of_tokens_that_are_asked_for_are_an_error(server, table, tmp_path):
    with pytest.raises(ValueError, match="endpoint:tiny gives no vectors of tokens: leave body_tokens out"):
        embed_questions(table(4), tmp_path, encoder=load("endpoint:tiny"), **SIZES, streams=("body_tokens",))
    assert embed_module.STREAMS == ("tag", "title", "body", "body_tokens", "body_chunks")
