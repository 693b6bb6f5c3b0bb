"""Memory stays bounded for long texts: each test runs in a process with a limited address space."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

MAX_TOKENS = 2048
# One attention matrix of a text takes 2 heads * 2048 * 2048 * 4 bytes = 34 MB. A batch of 8 texts
# (16,384 tokens) takes 270 MB for each copy, a batch of all 32 texts 1,070 MB.
HEADS = 2
TEXTS = 32
HEADROOM = 1_500_000_000

PREAMBLE = """
import json
import resource
import sys

from diglot import TextClassifier

folder, backend, headroom = sys.argv[1], sys.argv[2], int(sys.argv[3])
classifier = TextClassifier.from_pretrained(folder, backend, device="cpu")


def limit():
    \"\"\"Allow so much memory in addition to what the process has mapped.\"\"\"
    with open("/proc/self/statm") as file:
        mapped = int(file.read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (mapped + headroom,) * 2)

"""

pytestmark = pytest.mark.skipif(
    not Path("/proc/self/statm").exists(), reason="needs Linux, which tells the mapped memory"
)


@pytest.fixture(scope="module")
def folder(save_tiny: Callable[..., Path]) -> Path:
    """A tiny checkpoint that takes 2,048 tokens."""
    saved = save_tiny(
        max_position_embeddings=MAX_TOKENS, num_attention_heads=HEADS, num_hidden_layers=1
    )
    config = saved / "tokenizer_config.json"
    changed = json.loads(config.read_text()) | {"model_max_length": MAX_TOKENS}
    config.write_text(json.dumps(changed))
    return saved


def run(body: str, *arguments: object) -> str:
    # Each thread of the C library reserves address space of its own unless told otherwise.
    environment = os.environ | {"MALLOC_ARENA_MAX": "2", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-c", PREAMBLE + body, *map(str, arguments), str(HEADROOM)],
        capture_output=True,
        text=True,
        check=False,
        env=environment,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout.splitlines()[-1]


def test_a_pair_of_long_texts_is_encoded(folder: Path) -> None:
    """The tokenizers library takes 8 GB to cut two texts of 8,000 tokens to 32."""
    body = """
limit()
long = "a b c d " * 2_000
print(classifier.encode(long, long, max_length=32)["input_ids"].shape)
"""
    assert run(body, folder, "torch") == "(1, 32)"


def test_a_list_of_long_texts_is_classified(folder: Path) -> None:
    """The texts come in batches by their tokens, not only by their number."""
    body = f"""
classifier(["a", "b"])
limit()
results = classifier(["a b c d " * {MAX_TOKENS // 2}] * {TEXTS}, batch_size={TEXTS})
print(len(results), {{result["label"] for result in results}} <= {{"NEGATIVE", "POSITIVE"}})
"""
    assert run(body, folder, "tensorflow") == f"{TEXTS} True"
