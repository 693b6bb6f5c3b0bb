"""The proof of an export: the differences that it sees, and those that it lets pass."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from parity_tests.checkpoints import saved

from diglot import checkpoints
from diglot.checkpoints import torch_model
from diglot.endpoints.endpoint import Signature
from diglot.endpoints.saved_model import SavedModel
from diglot.equality.cases import Case
from diglot.equality.rounding import rounded_anew
from diglot.serving import proof
from diglot.serving.exports import Export
from diglot.serving.targets.saved_model import SavedModelTarget
from diglot.serving.targets.target import Choices, Source

Change = Callable[[dict[str, Any]], dict[str, Any]]
TEXTS = ("", "a", "b c", "abc xyz s", "q", "a b c d e f g", "x", "the film")


class Changed:
    """The process of a proof, in this process; the outputs of one signature are changed."""

    failure = None

    def __init__(self, folder: Path, signature: str, change: Change) -> None:
        self._model = SavedModel(folder)
        self.name = self._model.name
        self._signature = signature
        self._change = change

    def signatures(self) -> Mapping[str, Signature]:
        """The version's own."""
        return self._model.signatures()

    def predict(self, signature: str, inputs: Mapping[str, Any]) -> dict[str, Any]:
        """The version's answer, changed."""
        outputs = self._model.predict(signature, inputs)
        return self._change(outputs) if signature == self._signature else outputs

    def replay_warmup(self) -> int:
        """Nothing."""
        return 0

    def __enter__(self) -> "Changed":
        return self

    def __exit__(self, *_: object) -> None:
        self._model.close()


@pytest.fixture(scope="module")
def source(lively: Path) -> Source:
    checkpoint = checkpoints.find(lively)
    tokenizer: Any = object()  # the proof only asks whether there is one
    return Source("tiny", checkpoint, torch_model.load(checkpoint), tokenizer)


@pytest.fixture
def prove(
    exported: Export, source: Source, monkeypatch: pytest.MonkeyPatch
) -> Callable[[str, Change], Sequence[str]]:
    """A function that proves the export with changed outputs; returns the differences."""
    monkeypatch.setattr(proof, "cases", lambda *_: [Case("drawn texts", TEXTS)])

    def prove(signature: str, change: Change) -> list[str]:
        def started(target: str, folder: Path) -> Changed:
            return Changed(folder, signature, change)

        monkeypatch.setattr(proof, "SubprocessEndpoint", started)
        report = proof.prove(exported.path, source, Choices(), SavedModelTarget())
        assert report.texts == 8
        return [str(difference) for difference in report.differences]

    return prove


def test_an_unchanged_export_passes(prove: Callable[[str, Change], Sequence[str]]) -> None:
    assert prove("encoded", dict) == []


OUTPUTS = {
    "encoded": ("logits", "probabilities"),
    "encoded_lengths": ("logits", "probabilities"),
    "serving_default": ("label", "score", "logits", "probabilities"),
    "classify": ("classes", "scores"),
    "tokenize": ("input_ids", "attention_mask", "token_type_ids"),
}


@pytest.mark.parametrize(
    ("signature", "output"),
    [(signature, output) for signature, outputs in OUTPUTS.items() for output in outputs],
)
def test_every_output_is_compared(
    signature: str, output: str, prove: Callable[[str, Change], Sequence[str]]
) -> None:
    """An output that is wrong in one row, short of one row, or missing."""

    def wrong(outputs: dict[str, Any]) -> dict[str, Any]:
        value = outputs[output].copy()
        if value.dtype != object:
            value[-1] += np.asarray(1e-3 if value.dtype.kind == "f" else 1, value.dtype)
        elif value.ndim == 1:
            value[-1] = {"POSITIVE": "NEGATIVE", "NEGATIVE": "POSITIVE"}[value[-1]]
        else:
            value[-1] = value[-1][::-1]
        return outputs | {output: value}

    for change in (
        wrong,
        lambda outputs: outputs | {output: outputs[output][:-1]},
        lambda outputs: {name: value for name, value in outputs.items() if name != output},
    ):
        assert prove(signature, change), change


@pytest.mark.parametrize("signature", [name for name in OUTPUTS if name != "tokenize"])
def test_an_unexpected_output_is_refused(
    signature: str, prove: Callable[[str, Change], Sequence[str]]
) -> None:
    differences = prove(signature, lambda outputs: outputs | {"other": np.zeros(8)})
    assert any("answers with" in difference and "other" in difference for difference in differences)


def test_a_label_that_does_not_exist_is_a_difference(
    prove: Callable[[str, Change], Sequence[str]],
) -> None:
    labels = np.array(["NEUTRAL"] * 8, object)
    assert prove("serving_default", lambda outputs: outputs | {"label": labels})


def test_rounding_is_no_difference(prove: Callable[[str, Change], Sequence[str]]) -> None:
    def rounded(outputs: dict[str, Any]) -> dict[str, Any]:
        return {name: np.nextafter(value, np.float32(9)) for name, value in outputs.items()}

    assert prove("encoded", rounded) == []


@pytest.mark.parametrize("pairs", [False, True])
@pytest.mark.parametrize("most", [None, 8_192, 24])
def test_the_proof_of_a_long_context_has_a_budget(
    most: int | None, pairs: bool, lively: Path
) -> None:
    """However long the texts that the model takes, a batch stays small."""
    checkpoint = checkpoints.find(lively)
    checkpoint.__dict__["max_tokens"] = most
    drawn = proof.cases(checkpoint, Choices(pairs=pairs))
    assert sum(case.rows for case in drawn) == 48
    lengths = [
        len(checkpoint.tokenizer(text.text, text.pair)["input_ids"])
        for case in drawn
        for text in case.read()
    ]
    assert max(case.rows for case in drawn) == 8
    if most == 24:  # the version itself cuts these
        assert max(lengths) > 512
    else:
        assert 256 < max(lengths) <= 512


def test_without_a_pad_token_each_text_is_a_case(tmp_path: Path) -> None:
    folder = saved("llama", tmp_path / "checkpoint", pad_token_id=None)
    checkpoint = checkpoints.find(folder)
    drawn = proof.cases(checkpoint, Choices())
    assert {case.rows for case in drawn} == {1}
    assert all(checkpoint.tokenizer(case.texts[0])["input_ids"] for case in drawn)


class Counts(torch.nn.Module):
    """Gives whole numbers, as a module that counts positions does."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Cut off the fractions."""
        return x.long()


def test_whole_numbers_are_not_rounded() -> None:
    model = torch.nn.Sequential(torch.nn.Identity(), Counts())
    numbers = torch.arange(1, 65) + 0.3  # enough that some are rounded otherwise
    with rounded_anew(model, 0):
        assert model(numbers).tolist() == list(range(1, 65))
        rounded = model[0](numbers)
    assert rounded.tolist() != numbers.tolist()
    assert (rounded / numbers - 1).abs().max() <= torch.finfo(torch.float32).eps
    assert model[0](numbers).tolist() == numbers.tolist()
