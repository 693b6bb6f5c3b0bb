"""The verdict on one encoding: every stage, judged under the design's rule."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from numpy.typing import NDArray

from diglot.equality.judge import PEERS, Rule, judge
from diglot.equality.sides import Stages
from diglot.parity import Difference

from .architectures import Subject, run_tensorflow, run_torch, run_torch_anew

SENTENCES = (
    "I've been waiting for a HuggingFace course my whole life.",
    "I hate this so much!",
)

# As many as any of the tests' models has; which is which is told by their order alone.
_LABELS = tuple(map(str, range(8)))


def differences(
    actual: Stages,
    expected: Stages,
    reference: Stages,
    *,
    peers: Callable[[], Sequence[Stages]] = list,
) -> list[Difference]:
    """What parts, stage by stage: hidden states, logits, probabilities, labels."""
    rule = Rule((_LABELS, _LABELS))
    return judge(actual, expected, reference, rule, peers=peers).differences


def assert_equal(
    subject: Subject,
    encoding: Mapping[str, NDArray[Any]],
    *,
    run: Any = None,
) -> None:
    """Hold one way of running TensorFlow against PyTorch.

    Args:
        subject: the checkpoint.
        encoding: the inputs, each ``[batch, tokens]``.
        run: what to call in place of the TensorFlow model.
    """
    found = differences(
        run_tensorflow(run or subject.actual, encoding),
        run_torch(subject.expected, encoding),
        run_torch(subject.reference, encoding),
        peers=lambda: [run_torch_anew(subject.expected, encoding, seed) for seed in range(PEERS)],
    )
    assert not found, "\n".join(
        [f"{subject.architecture} differs:", *map(str, found), f"encoding: {encoding}"]
    )
