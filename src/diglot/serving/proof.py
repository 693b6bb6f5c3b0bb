"""What an export says, held against its checkpoint before anyone can ask it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from diglot import heads
from diglot.checkpoints import torch_model
from diglot.endpoints import provenance
from diglot.equality.rounding import rounded_anew
from diglot.errors import ExportError, TokenizerNotSupportedError
from diglot.parity import BUDGET, Difference, Tolerance, difference
from diglot.tokenization import proof as strings

if TYPE_CHECKING:
    from diglot.checkpoints import Checkpoint
    from diglot.tokenization import GraphTokenizer
    from diglot.types import ScoreFunction

STRINGS = 2_048
"""How many drawn strings a compiled tokenizer must split as the library does."""

_TEXTS, _BATCH, _PEERS = 48, 8, 2
# Scores no more roundings apart than this are one: each framework has a sigmoid of its own.
_TIE = 4

_NUMBERS = ("logits", "probabilities")
# What each signature must answer with; "tokenize" answers with the model's own inputs.
_OUTPUTS = {
    "encoded": _NUMBERS,
    "encoded_lengths": _NUMBERS,
    "serving_default": ("label", "score", *_NUMBERS),
    "classify": ("classes", "scores"),
}

Arrays = dict[str, NDArray[Any]]


@dataclass(frozen=True)
class Report:
    """How an export was held against its checkpoint.

    Attributes:
        texts: how many were drawn.
        warmups: how many warmup requests were replayed.
        worst: the largest error of a logit against float64, and PyTorch's own.
        tolerance: what was allowed.
        differences: whatever was more; empty where the two are equal.
    """

    texts: int
    warmups: int
    worst: tuple[float, float]
    tolerance: Tolerance
    differences: tuple[Difference, ...]

    def facts(self) -> dict[str, Any]:
        """The report as JSON has it."""
        return {
            "texts": self.texts,
            "warmups": self.warmups,
            "worst_error": self.worst[0],
            "worst_error_of_pytorch": self.worst[1],
            "tolerance": {
                "multiple": self.tolerance.multiple,
                "roundings": self.tolerance.roundings,
            },
            "differences": [str(one) for one in self.differences],
        }

    def __str__(self) -> str:
        lines = [f"  {one}" for one in self.differences] or ["  no difference"]
        ours, theirs = self.worst
        return "\n".join(
            [
                *lines,
                f"  {self.texts} texts, {self.warmups} warmup requests; largest error of a logit"
                f" {ours:.3g}, PyTorch's own {theirs:.3g}",
            ]
        )


def pad_token(found: Checkpoint) -> int | None:
    """The id that both tokenizer and model know as padding."""
    known: int | None = found.config.get_text_config().pad_token_id
    return known if known == found.tokenizer.pad_token_id else None


def compiled(found: Checkpoint, *, pairs: bool, seed: int) -> GraphTokenizer:
    """The checkpoint's tokenizer as a graph, once it splits drawn strings as the library does.

    Raises:
        TokenizerNotSupportedError: it cannot be compiled, or gives other ids.
    """
    import tensorflow as tf

    from diglot.tokenization import compile_tokenizer

    tokenizer = found.tokenizer
    if not tokenizer.is_fast:
        raise TokenizerNotSupportedError(
            f"the tokenizer of {found.name}",
            "it is written in Python, and has no tokenizer.json to compile",
            "serve it by its encoded signatures",
        )
    graph = compile_tokenizer(
        json.loads(tokenizer.backend_tokenizer.to_str()),
        max_length=found.max_tokens,
        truncation="do_not_truncate" if found.max_tokens is None else "longest_first",
        truncation_side=tokenizer.truncation_side,
        padding_length="longest",
        padding_side="right",
        pad_token_id=pad_token(found) or 0,
        pad_token_type_id=tokenizer.pad_token_type_id,
    )
    texts = [tf.TensorSpec([None], tf.string)] * (2 if pairs else 1)
    run = tf.function(graph, input_signature=texts, autograph=False)

    def ours(texts: Sequence[str], seconds: Sequence[str] | None) -> list[list[int]]:
        encoding = run(*map(tf.constant, (texts,) if seconds is None else (texts, seconds)))
        lengths = encoding["attention_mask"].numpy().sum(-1)
        rows = encoding["input_ids"].numpy()
        return [row[:length].tolist() for row, length in zip(rows, lengths, strict=True)]

    def theirs(texts: Sequence[str], seconds: Sequence[str] | None) -> list[list[int]]:
        ids: list[list[int]] = _library(found, texts, seconds)["input_ids"]
        return ids

    vocabulary = sorted(tokenizer.get_vocab())
    some = (
        np.random.default_rng(seed).choice(vocabulary, 256).tolist() + tokenizer.all_special_tokens
    )
    drawn = strings.texts(seed, STRINGS, some)
    seconds = drawn[::-1] if pairs else None
    if mismatch := strings.mismatch(ours, theirs, drawn, seconds):
        raise TokenizerNotSupportedError(
            f"the tokenizer of {found.name}",
            f"compiled, it does not split text as the library does: {mismatch}",
            "serve it by its encoded signatures, and report this text",
        )
    return graph


def prove(folder: Path, found: Checkpoint) -> Report:
    """Hold a version against its checkpoint in PyTorch, on drawn texts.

    Args:
        folder: the version.
        found: its checkpoint.

    Raises:
        ExportError: it could not be loaded or run; the message carries the reason.
    """
    facts = provenance.read(folder)
    drawn = [one for one in strings.texts(facts["seed"] + 1, _TEXTS) if one.strip()]
    size = 1 if pad_token(found) is None else _BATCH
    groups = [drawn[start : start + size] for start in range(0, len(drawn), size)]
    seconds = [group[::-1] if facts["pairs"] else None for group in groups]
    encodings = [
        _arrays(found, group, second) for group, second in zip(groups, seconds, strict=True)
    ]
    requests = [
        list(_requests(facts, group, second, encoding))
        for group, second, encoding in zip(groups, seconds, encodings, strict=True)
    ]
    warmups, answers = _ask(folder, [one for each in requests for one in each])
    differences: list[Difference] = []
    worst = np.zeros(2)
    model: Any = torch_model.load(found, precision=facts["precision"])
    double: Any = deepcopy(model).double()
    for each, encoding in zip(requests, encodings, strict=True):
        expected = _expected(found, facts["function_to_apply"], model, double, encoding)
        for one in each:
            outputs = answers.pop(0)
            differences += expected.missing(one["signature"], outputs)
            for name, value in outputs.items():
                differences += expected.differences(f"{one['signature']}/{name}", value)
            if np.shape(outputs.get("logits", ())) == expected.logits.shape:
                worst = np.maximum(worst, expected.errors(outputs["logits"]))
    return Report(
        len(drawn), warmups, (float(worst[0]), float(worst[1])), BUDGET, tuple(differences)
    )


@dataclass(frozen=True)
class _Expected:
    """What PyTorch says of one batch, and how far from it an export may be."""

    labels: NDArray[Any]
    function: ScoreFunction
    encoding: Arrays
    logits: NDArray[Any]
    reference: NDArray[Any]
    peers: list[NDArray[Any]]
    scale: float

    def missing(self, signature: str, outputs: Mapping[str, Any]) -> list[Difference]:
        """What a signature does not answer with, though it must, and the other way round."""
        wanted = set(_OUTPUTS.get(signature, self.encoding))
        return [
            Difference(f"{signature}/{name}", "it is not among the outputs")
            for name in sorted(wanted - set(outputs))
        ] + [
            Difference(f"{signature}/{name}", "it is an output that nobody knows")
            for name in sorted(set(outputs) - wanted)
        ]

    def differences(self, name: str, value: Any) -> list[Difference]:
        """What is wrong with one output of one signature."""
        kind = name.rpartition("/")[2]
        if kind in self.encoding:
            wanted = self.encoding[kind].astype(np.int64)
            found = difference(name, np.array(value, np.int64), wanted)
        elif kind == "classes":
            wanted = np.broadcast_to(self.labels, self.logits.shape)
            same = np.array_equal(np.array(value, object), wanted)
            said = value[0] if value else "nothing"
            found = None if same else Difference(name, f"{said} for {self.labels.tolist()}")
        elif kind == "label":
            found = self._label(name, np.array(value, object))
        elif kind == "score":
            found = self._numbers(name, value, lambda x: self._scores(x).max(-1))
        elif kind == "logits":
            found = self._numbers(name, value, lambda x: x)
        else:
            found = self._numbers(name, value, self._scores)
        return [] if found is None else [found]

    def errors(self, logits: Any) -> tuple[float, float]:
        """The largest error of an export's logits against float64, and of PyTorch's own."""
        ours, own = np.array(logits, np.float64), self.logits.astype(np.float64)
        return float(abs(ours - self.reference).max()), float(abs(own - self.reference).max())

    def _scores(self, logits: NDArray[Any]) -> NDArray[Any]:
        return heads.scores(logits, self.function)

    def _numbers(self, name: str, value: Any, of: Any) -> Difference | None:
        return difference(
            name,
            np.array(value, np.float32),
            of(self.logits),
            of(self.reference),
            peers=[of(peer) for peer in self.peers],
            scale=self.scale,
        )

    def _label(self, name: str, value: NDArray[Any]) -> Difference | None:
        """Another label is a difference where the two best are further apart than both errors.

        Labels are ranked by their scores. A sigmoid gives 1 for all logits that are large, so that
        several may be the best.
        """
        if value.shape != self.logits.shape[:1]:
            return Difference(name, f"{list(value.shape)} for {[len(self.logits)]}")
        limit = BUDGET.limit([self.logits, *self.peers], self.reference, self.scale)
        best = np.sort(self.reference, axis=-1)
        clear = best[:, -1] - best[:, -2] > 2 * limit if best.shape[-1] > 1 else True
        scores = self._scores(self.logits)
        tied = scores >= scores.max(-1, keepdims=True) - _TIE * np.finfo(scores.dtype).eps
        first = scores.argmax(-1)
        tied[np.arange(len(tied)), first] = True
        right = ((value[:, None] == self.labels) & tied).any(-1)
        rows = np.flatnonzero(~right & clear)
        if not rows.size:
            return None
        wanted = self.labels[first[rows]]
        return Difference(name, f"rows {rows.tolist()} are {value[rows]}, not {wanted}")


def _expected(
    found: Checkpoint, function: ScoreFunction, model: Any, double: Any, encoding: Arrays
) -> _Expected:
    logits, _ = _torch(model, encoding)
    reference, scale = _torch(double, encoding)
    peers = []
    for seed in range(_PEERS):
        with rounded_anew(model, seed):
            peers.append(_torch(model, encoding)[0])
    labels = np.array(found.labels, object)
    return _Expected(labels, function, encoding, logits, reference, peers, scale)


def _torch(model: Any, encoding: Arrays) -> tuple[NDArray[Any], float]:
    """The logits, in float32 at least, and the magnitude of what they are summed from."""
    import torch

    tensors = {name: torch.from_numpy(value) for name, value in encoding.items()}
    with torch.inference_mode():
        outputs = model(**tensors, output_hidden_states=True)
    logits = outputs.logits if outputs.logits.dtype == torch.float64 else outputs.logits.float()
    return logits.numpy(), float(outputs.hidden_states[-1].abs().max())


def _library(
    found: Checkpoint, texts: Sequence[str], seconds: Sequence[str] | None, **options: Any
) -> dict[str, Any]:
    """What transformers' own tokenizer makes of texts."""
    encoding = found.tokenizer(
        list(texts),
        None if seconds is None else list(seconds),
        truncation=found.max_tokens is not None,
        max_length=found.max_tokens,
        return_attention_mask=True,
        verbose=False,
        **options,
    )
    return {name: encoding[name] for name in found.input_names}


def _arrays(found: Checkpoint, texts: Sequence[str], seconds: Sequence[str] | None) -> Arrays:
    padding = len(texts) > 1
    return _library(
        found, texts, seconds, padding=padding, padding_side="right", return_tensors="np"
    )


def _requests(
    facts: Mapping[str, Any], texts: Sequence[str], seconds: Sequence[str] | None, encoding: Arrays
) -> Iterator[dict[str, Any]]:
    """The same batch for each signature."""
    lists = {name: value.tolist() for name, value in encoding.items()}
    yield {"signature": "encoded", "inputs": lists}
    lengths = encoding["attention_mask"].sum(-1).tolist()
    rest = {name: value for name, value in lists.items() if name != "attention_mask"}
    yield {"signature": "encoded_lengths", "inputs": {**rest, "length": lengths}}
    if facts["tokenizer"] is None:
        return
    inputs = {"text": list(texts)} | ({} if seconds is None else {"text_pair": list(seconds)})
    for signature in ("tokenize", "serving_default", "classify"):
        yield {"signature": signature, "inputs": inputs}


def _ask(folder: Path, requests: Sequence[Mapping[str, Any]]) -> tuple[int, list[dict[str, Any]]]:
    """The answers of a version that is loaded in a process of its own."""
    with tempfile.TemporaryDirectory() as scratch:
        given, written = Path(scratch, "requests.json"), Path(scratch, "answers.json")
        given.write_text(json.dumps(requests), "utf-8")
        command = [
            sys.executable,
            "-m",
            "diglot.serving.subprocess_answers",
            folder,
            given,
            written,
        ]
        run = subprocess.run(
            [*map(str, command)], capture_output=True, text=True, check=False, env=_environment()
        )
        if run.returncode:
            # A process that is killed, as for want of memory, says nothing of it.
            ended = f"it was ended by signal {-run.returncode}" if run.returncode < 0 else ""
            raise ExportError(
                "the SavedModel could not be loaded and run in a process of its own:\n"
                + "\n".join(filter(None, (run.stderr[-2_000:], ended)))
            )
        found = json.loads(written.read_text("utf-8"))
    return found["warmups"], found["answers"]


def _environment() -> dict[str, str]:
    return {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "PYTHONPATH": os.pathsep.join(sys.path)}
