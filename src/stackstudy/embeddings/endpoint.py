"""Encoders behind an endpoint: OpenAI's ``/v1/embeddings``, as TEI, vLLM, Ollama and others speak it.

``endpoint:MODEL`` is the name of such an encoder. Where it is comes from the environment, ``STACKSTUDY_ENDPOINT``
(``http://localhost:8080/v1``), and so does its key, ``STACKSTUDY_ENDPOINT_KEY``: neither is written anywhere.
"""

import hashlib
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import httpx2
import numpy as np
from tenacity import RetryCallState, Retrying, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from stackstudy.embeddings.encoder import Encoder, load_encoder

PREFIX = "endpoint:"
URL, KEY = "STACKSTUDY_ENDPOINT", "STACKSTUDY_ENDPOINT_KEY"
TEXTS_PER_REQUEST = 32  # what TEI takes if not told otherwise
REQUESTS_AT_A_TIME = 4
ATTEMPTS = 8
FIRST_WAIT, LONGEST_WAIT = 1.0, 60.0  # seconds, of a random exponential wait
SECONDS_TO_ANSWER = 300.0
WORDS_PER_TOKEN = 0.75  # of English text in common vocabularies; an endpoint does not show its tokens
EMPTY = "(empty)"  # in place of a text without a word, which endpoints refuse
PASSING = (408, 409, 425, 429, 500, 502, 503, 504)  # answers that another try may change


class _Passing(Exception):
    """A failure that may pass; `after` are the seconds that the server asks to wait."""

    def __init__(self, what: str, after: float = 0.0) -> None:
        super().__init__(what)
        self.after = after


@dataclass(frozen=True)
class Endpoint:
    """A model that somebody serves; it gives one vector a text, and none of single tokens."""

    name: str
    model_id: str
    weight_hash: str  # of the model's name and dimension: its weights are not to be seen
    dimension: int
    client: httpx2.Client = field(repr=False)
    pooling: str = "endpoint"
    device: str = "endpoint"
    autocast: bool = False

    def pooled_vectors(self, texts: Sequence[str], *, max_length: int) -> np.ndarray:
        """Return one unit vector a text, float16 (n, d); of each text about the first `max_length` tokens are sent."""
        words = _words(max_length)
        return self._vectors([" ".join(text.split()[:words]) if _long(text, words) else text for text in texts])

    def chunk_vectors(
        self, texts: Sequence[str], *, chunk_length: int, max_chunks: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return unit vectors of runs of about `chunk_length` tokens, float16 (total, d), and how many a text has."""
        cuts = [_runs(text, _words(chunk_length))[:max_chunks] for text in texts]
        vectors = self._vectors([run for cut in cuts for run in cut])
        return vectors, np.array([len(cut) for cut in cuts], dtype=np.int64)

    def _vectors(self, texts: Sequence[str]) -> np.ndarray:
        batches = [texts[start : start + TEXTS_PER_REQUEST] for start in range(0, len(texts), TEXTS_PER_REQUEST)]
        with ThreadPoolExecutor(REQUESTS_AT_A_TIME) as threads:
            parts = list(threads.map(lambda batch: request(self.client, self.model_id, batch), batches))
        vectors = np.concatenate([np.empty((0, self.dimension)), *parts])
        return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float16)


def load(name: str, device: str = "auto") -> Encoder | Endpoint:
    """Load an encoder by its name: ``endpoint:MODEL``, or one that runs here (see `load_encoder`)."""
    return load_endpoint(name) if name.startswith(PREFIX) else load_encoder(name, device)


def load_endpoint(name: str) -> Endpoint:
    """Return the encoder ``endpoint:MODEL`` of the environment. ValueError: no address, or no answer there."""
    if not (url := os.environ.get(URL)):
        raise ValueError(f"encoder {name}: set {URL} to its address, for example http://localhost:8080/v1")
    key = os.environ.get(KEY)
    client = httpx2.Client(
        base_url=url, headers={"Authorization": f"Bearer {key}"} if key else {}, timeout=SECONDS_TO_ANSWER
    )
    model = name.removeprefix(PREFIX)
    dimension = request(client, model, ["How long is a vector?"]).shape[1]
    mark = hashlib.sha256(f"{model} {dimension}".encode()).hexdigest()
    return Endpoint(name, model, mark, dimension, client)


def request(client: httpx2.Client, model: str, texts: Sequence[str]) -> np.ndarray:
    """Return the vectors of `texts` as served, float64 (n, d), if need be after several tries.

    ValueError: the endpoint refuses, fails again and again, or answers something else.
    """
    retrying = Retrying(
        stop=stop_after_attempt(ATTEMPTS), wait=_wait, retry=retry_if_exception_type(_Passing), reraise=True
    )
    try:
        return retrying(_ask, client, model, [text if text.strip() else EMPTY for text in texts])
    except _Passing as error:
        raise ValueError(f"endpoint, model {model}: {ATTEMPTS} tries, at last {error}") from None


def _wait(state: RetryCallState) -> float:
    error = state.outcome.exception()
    return max(wait_random_exponential(FIRST_WAIT, LONGEST_WAIT)(state), error.after)


def _ask(client: httpx2.Client, model: str, texts: list[str]) -> np.ndarray:
    try:
        response = client.post("embeddings", json={"model": model, "input": texts, "encoding_format": "float"})
    except httpx2.TransportError as error:
        raise _Passing(type(error).__name__) from None
    if response.status_code in PASSING:
        raise _Passing(f"the answer {response.status_code}", _seconds(response.headers.get("Retry-After", "")))
    if not response.is_success:
        raise ValueError(f"endpoint, model {model}: {response.status_code} {_without_key(response.text[:200])}")
    return _read(response, len(texts))


def _read(response: httpx2.Response, count: int) -> np.ndarray:
    try:
        entries = sorted(response.json()["data"], key=lambda entry: entry["index"])
        vectors = np.array([entry["embedding"] for entry in entries], dtype=np.float64)
    except (ValueError, KeyError, TypeError):
        raise _Passing("an answer that is not what /v1/embeddings says") from None
    if [entry["index"] for entry in entries] != list(range(count)) or vectors.ndim != 2:
        raise _Passing(f"{len(entries)} vectors for {count} texts")
    if not (np.isfinite(vectors).all() and vectors.any(axis=1).all()):
        raise _Passing("a vector that is zero or not finite")
    return vectors


def _seconds(header: str) -> float:
    return min(float(header), LONGEST_WAIT) if header.replace(".", "", 1).isdigit() else 0.0


def _without_key(text: str) -> str:
    key = os.environ.get(KEY)
    return text.replace(key, "***") if key else text


def _words(tokens: int) -> int:
    return max(1, int(tokens * WORDS_PER_TOKEN))


def _long(text: str, words: int) -> bool:
    return len(text.split()) > words


def _runs(text: str, words: int) -> list[str]:
    """Cut a text into consecutive runs of `words` words; an empty text is one run."""
    parts = text.split()
    return [" ".join(parts[start : start + words]) for start in range(0, len(parts), words)] or [""]
