"""Threads that share one classifier get the answers that one thread gets.

A fast tokenizer keeps truncation as state, and a TensorFlow model records its program at the first
call: both are shared by all threads.
"""

import json
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
import pytest

from diglot import TextClassifier, checkpoints
from diglot.backends import Model
from diglot.types import Outputs

BACKENDS = ("torch", "tensorflow")
MAX_TOKENS = 256
THREADS = 6
# The lengths to which the threads truncate.
LENGTHS = (8, 64, 256)
LONG = "a b c d e f g h " * 100
PAIR = {"text": LONG, "text_pair": LONG}


@pytest.fixture(scope="module")
def folder(save_tiny: Callable[..., Path]) -> Path:
    """A tiny checkpoint that takes 256 tokens, and whose answers differ from text to text."""
    saved = save_tiny(max_position_embeddings=MAX_TOKENS, initializer_range=1.0)
    config = saved / "tokenizer_config.json"
    changed = json.loads(config.read_text()) | {"model_max_length": MAX_TOKENS}
    config.write_text(json.dumps(changed))
    return saved


@pytest.fixture(scope="module")
def in_torch(folder: Path) -> TextClassifier:
    return TextClassifier.from_pretrained(folder, "torch", device="cpu")


def in_threads(work: Callable[[int], Any], count: int = THREADS) -> list[Any]:
    """The results of ``work(0)``, ``work(1)``, …, each in a thread; all start at once."""
    barrier = threading.Barrier(count)

    def start(number: int) -> Any:
        barrier.wait()
        return work(number)

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(start, range(count)))


def same(actual: Mapping[str, Any], expected: Mapping[str, Any]) -> bool:
    return actual.keys() == expected.keys() and all(
        np.array_equal(actual[name], expected[name]) for name in expected
    )


def test_each_thread_gets_its_own_truncation(in_torch: TextClassifier) -> None:
    expected = {length: in_torch.encode([LONG] * 4, max_length=length) for length in LENGTHS}
    assert [encoding["input_ids"].shape[1] for encoding in expected.values()] == list(LENGTHS)

    def work(number: int) -> int:
        length = LENGTHS[number % len(LENGTHS)]
        encodings = (in_torch.encode([LONG] * 4, max_length=length) for _ in range(40))
        return sum(not same(encoding, expected[length]) for encoding in encodings)

    assert in_threads(work) == [0] * THREADS


def test_long_pairs_do_not_switch_the_truncation_of_texts_off(in_torch: TextClassifier) -> None:
    """An over-long pair is tokenized without truncation first, to find where it may be cut."""
    very_long = LONG * 3
    inputs = ([very_long] * 4,), ([very_long] * 2, [very_long] * 2)
    expected = [in_torch.encode(*texts) for texts in inputs]
    assert expected[0]["input_ids"].shape == (4, MAX_TOKENS)

    def work(number: int) -> int:
        encodings = (in_torch.encode(*inputs[number % 2]) for _ in range(8))
        return sum(not same(encoding, expected[number % 2]) for encoding in encodings)

    assert in_threads(work) == [0] * THREADS


@pytest.mark.parametrize("backend", BACKENDS)
def test_each_thread_gets_the_answers_of_one_thread(
    folder: Path, in_torch: TextClassifier, backend: str
) -> None:
    classifier = TextClassifier.from_pretrained(folder, backend, device="cpu")
    calls = [
        ([text], {"max_length": length, "top_k": None})
        for length in LENGTHS
        for text in ("a", LONG, PAIR, "h g f e")
    ]
    expected = [in_torch(inputs, **options) for inputs, options in calls]
    alone = [classifier(inputs, **options) for inputs, options in calls]
    assert [scores(result) for result in alone] == [
        pytest.approx(scores(result), abs=1e-5) for result in expected
    ]
    assert len({tuple(scores(result).values()) for result in expected}) > 6

    def work(number: int) -> list[Any]:
        # Each thread starts elsewhere, so that at all times different options meet.
        order = [(number * 5 + step) % len(calls) for step in range(len(calls))]
        return [(index, classifier(calls[index][0], **calls[index][1])) for index in order]

    for results in in_threads(work):
        for index, result in results:
            assert scores(result) == pytest.approx(scores(alone[index]), abs=1e-6)


@pytest.mark.usefixtures("no_recordings")
@pytest.mark.parametrize("backend", BACKENDS)
def test_the_first_call_may_come_from_any_thread(
    folder: Path, in_torch: TextClassifier, backend: str
) -> None:
    """The cold start of a web server: every thread has a request, and nothing is recorded yet."""
    classifier = TextClassifier.from_pretrained(folder, backend, device="cpu")
    inputs = ["a", "a b c", LONG, PAIR]
    expected = [in_torch([text], top_k=None) for text in inputs]

    def work(number: int) -> Any:
        return classifier([inputs[number % len(inputs)]], top_k=None)

    for number, result in enumerate(in_threads(work)):
        assert scores(result) == pytest.approx(scores(expected[number % len(inputs)]), abs=1e-5)


def scores(result: list[list[dict[str, Any]]]) -> dict[str, float]:
    (ranking,) = result
    return {entry["label"]: entry["score"] for entry in ranking}


class Alone(Model):
    """A model that is not thread-safe: it fails if two threads run it at once."""

    name = "alone"

    def __init__(self) -> None:
        self.running = Lock()

    def run(
        self, encoding: Mapping[str, Any], *, function: Any = None, hidden_states: bool = False
    ) -> Outputs:
        """The number of tokens as the one logit of each label."""
        assert self.running.acquire(blocking=False), "two threads at once"
        time.sleep(0.002)
        self.running.release()
        tokens = encoding["attention_mask"].sum(1)
        logits = {"logits": np.stack([-tokens, tokens], axis=1).astype(np.float32)}
        return Outputs(logits, {} if function is None else logits)


def test_a_model_that_is_not_thread_safe_runs_for_one_thread_at_a_time(folder: Path) -> None:
    classifier = TextClassifier.from_checkpoint(checkpoints.find(folder), Alone())
    texts = ["a b c"[: 1 + 2 * (number % 3)] for number in range(8 * THREADS)]
    expected = [classifier.logits(text).tolist() for text in texts]
    with ThreadPoolExecutor(THREADS) as pool:
        assert [logits.tolist() for logits in pool.map(classifier.logits, texts)] == expected
