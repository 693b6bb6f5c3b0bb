"""Exports a checkpoint; a version appears only if it answers like its checkpoint."""

from __future__ import annotations

import gc
import json
import logging
import os
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from diglot import checkpoints, embedded, files, versions
from diglot.checkpoints import hub, torch_model
from diglot.endpoints import layout, provenance
from diglot.errors import ExportError, ExportRefusedError, TokenizerNotSupportedError
from diglot.extras import require
from diglot.serving import compiled_tokenizer, proof, targets
from diglot.serving.proof import Report
from diglot.serving.targets.target import Choices, Ids, Precision, Source

if TYPE_CHECKING:
    from diglot.checkpoints import Checkpoint
    from diglot.serving.targets import Target
    from diglot.tokenization import GraphTokenizer

log = logging.getLogger(__name__)

Prove = Callable[[Path, Source, Choices, "Target"], Report]
"""Compares a finished version with its checkpoint; :func:`diglot.serving.proof.prove` does."""


@dataclass(frozen=True)
class Export:
    """A published version.

    Attributes:
        path: the version's folder.
        name: the model's name.
        version: the version's number.
        signatures: the names of its signatures.
        text: the reason why no signature takes text; ``None`` if some do.
        report: the result of the comparison with the checkpoint.
    """

    path: Path
    name: str
    version: int
    signatures: tuple[str, ...]
    text: str | None
    report: Report = field(repr=False)


def export(
    checkpoint: str | os.PathLike[str] | None = None,
    to: str | os.PathLike[str] = "saved_models",
    *,
    name: str | None = None,
    version: int | None = None,
    revision: str | None = None,
    labels: list[str] | None = None,
    require_text: bool = False,
    strings: int = compiled_tokenizer.STRINGS,
    target: str | Target = targets.DEFAULT,
    prove: Prove = proof.prove,
    **choices: Any,
) -> Export:
    """Export a checkpoint as a version that takes plain text and answers with labels.

    The version is written under a hidden name, and loaded in a process that can import neither
    PyTorch nor transformers nor Keras. There it must answer drawn texts as the checkpoint does in
    PyTorch; only then does it appear.

    Args:
        checkpoint: a directory or a hub id; ``None`` for the one that diglot ships.
        to: the folder of all models; the version goes to ``<to>/<name>/<version>``.
        name: the model's name; the checkpoint's own by default.
        version: a free number; the next one by default.
        revision: a branch, tag or commit of a hub id.
        labels: the names of the labels, for a checkpoint that does not name them.
        require_text: whether to fail if the tokenizer cannot be compiled. Otherwise the version
            then takes encodings only.
        strings: the number of drawn strings that the compiled tokenizer must split as the library
            does.
        target: the format of the export, or its name.
        prove: compares the finished version with the checkpoint.
        **choices: the fields of :class:`~diglot.serving.targets.target.Choices`.

    Raises:
        ExportError: the name, the version or an option is invalid, or the weights are too large to
            freeze.
        ExportRefusedError: the version does not answer like the checkpoint.
        TokenizerNotSupportedError: the tokenizer cannot be compiled, and text is required.
        CheckpointError: the checkpoint cannot be found, read or used.
        LoweringError: the model uses operators that have no TensorFlow lowering.
        BackendNotInstalledError: a package that the target needs is missing.
    """
    kind = targets.find(target) if isinstance(target, str) else target
    require(kind.extra, *kind.requires)
    chosen = _choices(choices)
    resolved = checkpoints.find(checkpoint, revision=revision, labels=labels)
    name = layout.checked_name(name or _name(resolved))
    folder = Path(to).expanduser() / name
    number = layout.next_version(folder) if version is None else version
    place = folder / str(number)
    if number < 1 or place.exists():
        problem = "is taken" if number > 0 else "is no version: it must be 1 or more"
        raise ExportError(f"{place} {problem}; the next free one is {layout.next_version(folder)}")
    tokenizer, no_text = _tokenizer(resolved, kind, chosen, strings, required=require_text)
    with files.beside(place) as scratch:
        written = scratch / str(number)
        model = torch_model.load(resolved, precision=chosen.precision)
        source = Source(name, resolved, model, tokenizer)
        signatures = kind.write(written, source, chosen)
        # The functions of the program that was written refer to one another in cycles; without a
        # collection, its weights would stay in memory during the proof.
        gc.collect()
        _write_labels(written, resolved, with_tokens=tokenizer is not None)
        report = prove(written, source, chosen, kind)
        if report.differences:
            raise ExportRefusedError(
                f"{name} was not published, because it does not answer like"
                f" {resolved.name}:\n{report}"
            )
        facts = _facts(source, kind, chosen, signatures, no_text, strings, report)
        provenance.write(written, facts)
        try:
            written.rename(place)
        except OSError as error:
            if not place.exists():
                raise
            raise ExportError(
                f"{place} appeared while it was being written; nothing is lost, and nothing was"
                " published. Run the export again"
            ) from error
    kind.publish(folder.parent)
    return Export(place, name, number, signatures, no_text, report)


def _name(checkpoint: Checkpoint) -> str:
    if checkpoint.path == embedded.path():
        return "diglot-sst2"
    return Path(checkpoint.name).name or Path(checkpoint.name).resolve().name


def _choices(options: Mapping[str, Any]) -> Choices:
    allowed = [choice.name for choice in fields(Choices)]
    if unknown := sorted(set(options) - set(allowed)):
        raise ExportError(
            f"{', '.join(unknown)}: there is no such option; the options are {', '.join(allowed)}"
        )
    choices = Choices(**options)
    for option, known in (("precision", get_args(Precision)), ("ids", get_args(Ids))):
        if (value := getattr(choices, option)) not in known:
            raise ExportError(f"{option} must be one of {', '.join(known)}, not {value!r}")
    if choices.seed < 0:
        raise ExportError(f"the seed must be 0 or more, not {choices.seed}")
    if choices.xla:
        log.warning(
            "XLA compiles the program: a CPU server runs it only if it was started with"
            " --xla_cpu_compilation_enabled"
        )
    return choices


def _tokenizer(
    checkpoint: Checkpoint, target: Target, choices: Choices, strings: int, *, required: bool
) -> tuple[GraphTokenizer | None, str | None]:
    """The compiled tokenizer, or the reason why there is none."""
    try:
        if not target.takes_text:
            raise TokenizerNotSupportedError(
                f"the tokenizer of {checkpoint.name}",
                f"the target {target.name} takes no strings",
                "serve it by its encoded signatures",
            )
        graph = compiled_tokenizer.compiled(
            checkpoint, pairs=choices.pairs, seed=choices.seed, strings=strings
        )
        return graph, None
    except TokenizerNotSupportedError as error:
        if required:
            raise
        log.warning("no signature will take text: %s", error)
        return None, str(error)


def _write_labels(folder: Path, checkpoint: Checkpoint, *, with_tokens: bool) -> None:
    """Write the labels and the vocabulary, for people and for clients."""
    (folder / layout.EXTRA).mkdir(parents=True, exist_ok=True)
    labels = "".join(f"{label}\n" for label in checkpoint.labels)
    (folder / layout.LABELS).write_text(labels, "utf-8")
    if with_tokens:
        tokenizer = checkpoint.tokenizer
        tokens = tokenizer.convert_ids_to_tokens(list(range(len(tokenizer))))
        (folder / layout.TOKENS).write_text(json.dumps(tokens, ensure_ascii=False), "utf-8")


def _facts(
    source: Source,
    target: Target,
    choices: Choices,
    signatures: tuple[str, ...],
    no_text: str | None,
    strings: int,
    report: Report,
) -> dict[str, Any]:
    """The record of a version; see :mod:`diglot.endpoints.provenance`."""
    checkpoint = source.checkpoint
    patterns = (*hub.FILES, "*.py") if checkpoint.trust_remote_code else hub.FILES
    return {
        "name": source.name,
        "target": target.name,
        "checkpoint": {
            "name": checkpoint.name,
            "revision": checkpoint.revision,
            "files": provenance.hashes(checkpoint.path, patterns),
        },
        "labels": list(checkpoint.labels),
        "function_to_apply": checkpoint.task.function,
        "max_tokens": checkpoint.max_tokens,
        **asdict(choices),
        "signatures": list(signatures),
        "no_text_because": no_text,
        "tokenizer": None if source.tokenizer is None else {"strings_compared": strings},
        "versions": versions.packages(),
        "parity": report.facts(),
    }
