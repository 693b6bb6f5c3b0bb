"""The verdict on one encoding: every stage, judged by diglot's own rule."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from numpy.typing import NDArray

from diglot.equality.judge import PEERS, Rule, judge
from diglot.equality.stages import Stages
from diglot.parity import Difference

from .architectures import Subject, run_tensorflow, run_torch, run_torch_anew

SENTENCES = (
    "I've been waiting for a HuggingFace course my whole life.",
    "I hate this so much!",
)

# As many labels as any of the tests' models has; only their order matters.
_LABELS = tuple(map(str, range(8)))


Arrays = Mapping[str, NDArray[Any]]
"""The arrays of one run by name, as :mod:`.architectures` gives them."""


def stages(arrays: Arrays) -> Stages:
    """The arrays in the judge's form."""
    layers = [name for name in arrays if name.startswith("hidden state ")]
    outputs = {name: array for name, array in arrays.items() if name not in layers}
    return Stages(tuple(arrays[name] for name in layers), outputs)


def differences(
    actual: Arrays,
    expected: Arrays,
    reference: Arrays,
    *,
    peers: Callable[[], Sequence[Arrays]] = list,
) -> list[Difference]:
    """The differences in hidden states, logits, probabilities and labels."""
    return judge(
        *map(stages, (actual, expected, reference)),
        Rule((_LABELS, _LABELS)),
        peers=lambda: [stages(peer) for peer in peers()],
    ).differences


def assert_equal(
    subject: Subject,
    encoding: Mapping[str, NDArray[Any]],
    *,
    run: Any = None,
) -> None:
    """Compare one way of running TensorFlow with PyTorch.

    Args:
        subject: the checkpoint.
        encoding: the inputs, each ``[batch, tokens]``.
        run: called in place of the TensorFlow model.
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
