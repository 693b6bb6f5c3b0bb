"""What the proof of an export sees, and what it lets pass."""

import runpy
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from diglot.endpoints import session
from diglot.equality.rounding import rounded_anew
from diglot.errors import ExportError
from diglot.serving import proof

LABELS = ["bad", "fair", "good"]
LOGITS = [[3.0, 1.0, 0.0], [0.0, 2.0, 1.0]]
# By hand: the exponential of each logit through the sum of its row.
SOFTMAX = [[0.8437947, 0.1141952, 0.0420101], [0.0900306, 0.6652410, 0.2447285]]
ENCODING = {"input_ids": [[5, 6, 7], [8, 0, 0]], "attention_mask": [[1, 1, 1], [1, 0, 0]]}
NUMBERS: dict[str, Any] = {"logits": LOGITS, "probabilities": SOFTMAX}
ANSWERS: dict[str, dict[str, Any]] = {
    "encoded": NUMBERS,
    "encoded_lengths": NUMBERS,
    "tokenize": ENCODING,
    "serving_default": {"label": ["bad", "fair"], "score": [0.8437947, 0.6652410], **NUMBERS},
    "classify": {"classes": [LABELS, LABELS], "scores": SOFTMAX},
}
# Of softmax as written above: seven digits.
SCALE = 10.0


def expected(logits: Sequence[Sequence[float]] = LOGITS, function: Any = "softmax") -> Any:
    numbers = np.array(logits, np.float32)
    encoding = {name: np.array(value) for name, value in ENCODING.items()}
    labels = np.array(LABELS[: numbers.shape[1]], object)
    reference = np.array(logits, np.float64)
    return proof._Expected(labels, function, encoding, numbers, reference, [numbers], SCALE)


def found(signature: str, outputs: dict[str, Any], held: Any = None) -> list[str]:
    held = held or expected()
    differences = held.missing(signature, outputs)
    for name, value in outputs.items():
        differences += held.differences(f"{signature}/{name}", value)
    return [one.name for one in differences]


@pytest.mark.parametrize("signature", ANSWERS)
def test_what_is_right_passes(signature: str) -> None:
    assert found(signature, ANSWERS[signature]) == []


OUTPUTS = [(signature, name) for signature, outputs in ANSWERS.items() for name in outputs]


@pytest.mark.parametrize(("signature", "name"), OUTPUTS)
def test_every_output_is_missed_and_counted(signature: str, name: str) -> None:
    whole = ANSWERS[signature]
    what = f"{signature}/{name}"
    assert found(signature, {key: value for key, value in whole.items() if key != name}) == [what]
    assert found(signature, whole | {name: whole[name][:1]}) == [what]
    assert found(signature, whole | {name: []}) == [what]
    assert found(signature, whole | {name: whole[name][::-1]}) == [what] * (name != "classes")


def test_an_output_that_nobody_knows() -> None:
    assert found("tokenize", ENCODING | {"position_ids": [[0]]})[0] == "tokenize/position_ids"


def test_labels_in_another_order() -> None:
    outputs = ANSWERS["classify"] | {"classes": [LABELS[::-1]] * 2}
    assert found("classify", outputs) == ["classify/classes"]
    outputs = ANSWERS["serving_default"] | {"label": ["bad", "good"]}
    assert found("serving_default", outputs) == ["serving_default/label"]


def test_a_label_matters_only_where_the_margin_is_clear() -> None:
    held = expected([[1.0, 1.0 + 1e-7, 0.0], [0.0, 2.0, 1.0]])
    assert held.differences("serving_default/label", ["bad", "fair"]) == []
    assert held.differences("serving_default/label", ["good", "fair"]) == []  # far below
    (one,) = held.differences("serving_default/label", ["bad", "bad"])
    assert "rows [1] are ['bad'], not ['fair']" in str(one)


def test_scores_that_are_one_are_tied() -> None:
    """Both 20 and 30 have the sigmoid 1 in float32, and the first of the best is taken."""
    held = expected([[20.0, 30.0, 0.0], [0.0, 2.0, 1.0]], "sigmoid")
    assert held.differences("serving_default/label", ["bad", "fair"]) == []
    assert held.differences("serving_default/label", ["fair", "fair"]) == []
    assert held.differences("serving_default/label", ["good", "fair"]) != []
    # 16.2 is short of 1 by one rounding or two, which another sigmoid need not have.
    held = expected([[16.2, 30.0, 0.0], [0.0, 2.0, 1.0]], "sigmoid")
    assert held.differences("serving_default/label", ["bad", "fair"]) == []


def test_one_label_alone() -> None:
    held = expected([[3.0], [-1.0]], "none")
    assert held.differences("serving_default/label", ["bad", "bad"]) == []
    assert held.differences("serving_default/label", ["bad", "fair"]) != []
    assert held.differences("serving_default/score", [3.0, -1.0]) == []
    assert held.differences("serving_default/score", [0.95, 0.27]) != []


def test_a_process_that_was_killed_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    killed = subprocess.CompletedProcess([], -9, "", "")
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: killed)
    with pytest.raises(ExportError, match="ended by signal 9"):
        proof._ask(tmp_path, [])


class Counts(torch.nn.Module):
    """Gives whole numbers, as a module that counts positions does."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Cut off the fractions."""
        return x.long()


def test_what_is_no_fraction_is_not_rounded() -> None:
    model = torch.nn.Sequential(torch.nn.Identity(), Counts())
    given = torch.arange(1, 65) + 0.3  # so many that some are rounded otherwise
    with rounded_anew(model, 0):
        assert model(given).tolist() == list(range(1, 65))
        rounded = model[0](given)
    assert rounded.tolist() != given.tolist()
    assert (rounded / given - 1).abs().max() <= torch.finfo(torch.float32).eps
    assert model[0](given).tolist() == given.tolist()


def test_what_answers_cannot_import_what_made_it(monkeypatch: pytest.MonkeyPatch) -> None:
    names = ("torch", "transformers", "keras", "tokenizers")
    seen = []

    def load(folder: Path) -> None:
        seen.extend(sys.modules.get(name, "may be imported") for name in names)
        raise LookupError(folder)

    monkeypatch.setattr(session, "Session", load)
    monkeypatch.setattr(sys, "argv", ["replay", "1", "requests", "answers"])
    with monkeypatch.context() as patch:
        for name in names:
            patch.setitem(sys.modules, name, SimpleNamespace())  # put back at the end
        with pytest.raises(LookupError):
            # Not as a module: pytest rewrites those of a package that brings it a plug-in.
            runpy.run_path(str(Path(session.__file__).with_name("replay.py")), run_name="__main__")
    assert seen == [None] * len(names)
