"""A checkpoint to a version that TF Serving loads; published only if it answers alike."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

from diglot import checkpoints, embedded, files, versions
from diglot.checkpoints import torch_model
from diglot.endpoints import layout, provenance
from diglot.endpoints.model import Description
from diglot.errors import ExportError, ExportRefusedError, TokenizerNotSupportedError
from diglot.extras import require
from diglot.serving import proof

if TYPE_CHECKING:
    import tensorflow as tf

    from diglot.checkpoints import Checkpoint
    from diglot.serving.proof import Report
    from diglot.tokenization import GraphTokenizer

log = logging.getLogger(__name__)

Precision = Literal["float32", "bfloat16"]
Ids = Literal["int32", "int64"]

# A graph with its constants is one protocol buffer, which cannot be larger than 2 GB.
_MOST_CONSTANTS = 1_900_000_000


@dataclass(frozen=True)
class Choices:
    """What can be chosen of an export.

    Attributes:
        precision: the dtype of the weights.
        pairs: whether a text comes with a second one, ``text_pair``.
        freeze: whether the weights become constants of the graph. It was measured to make no
            difference in speed, and to take more memory.
        xla: whether the program is compiled by XLA. A server needs
            ``--xla_cpu_compilation_enabled`` for it.
        ids: the dtype of the inputs of an encoding.
        seed: of the texts that are drawn.
    """

    precision: Precision = "float32"
    pairs: bool = False
    freeze: bool = False
    xla: bool = False
    ids: Ids = "int32"
    seed: int = 0


@dataclass(frozen=True)
class Export:
    """A published version.

    Attributes:
        path: its folder.
        name: the model's name.
        version: its number.
        signatures: what it answers to.
        text: why it has no signatures that take text; ``None`` where it has them.
        report: how it was held against its checkpoint.
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
    **choices: Any,
) -> Export:
    """Export a checkpoint as a SavedModel that takes plain text and answers with labels.

    The version is written beside its place and loaded in a process of its own, which has neither
    torch nor transformers nor keras. What it says there of drawn texts must be what the checkpoint
    says in PyTorch; only then does it appear.

    Args:
        checkpoint: a directory or a hub id; ``None`` for the one that diglot ships.
        to: the folder of all models; the version goes to ``<to>/<name>/<version>``.
        name: the model's name; the checkpoint's own unless given.
        version: a number that is not taken; the next one unless given.
        revision: a branch, tag or commit of a hub id.
        labels: the names of the labels, where the checkpoint does not give them.
        require_text: whether to fail where the tokenizer cannot be compiled; otherwise the version
            has the signatures for encodings alone.
        **choices: those of :class:`Choices`.

    Raises:
        ExportError: the name, the version or a choice cannot be had, or the weights not be frozen.
        ExportRefusedError: the version does not answer like the checkpoint.
        TokenizerNotSupportedError: the tokenizer cannot be compiled, and text is required.
        CheckpointError: the checkpoint cannot be found, read or used.
        LoweringError: its model cannot be said in TensorFlow.
        BackendNotInstalledError: PyTorch, TensorFlow or the extra ``serving`` is missing.
    """
    require("tensorflow,serving", "tensorflow", "torch", "tensorflow_serving")
    chosen = _chosen(choices)
    found = checkpoints.find(checkpoint, revision=revision, labels=labels)
    name = layout.checked_name(name or _name(found))
    folder = Path(to).expanduser() / name
    number = layout.next_version(folder) if version is None else version
    target = folder / str(number)
    if number < 1 or target.exists():
        raise ExportError(
            f"{target} "
            + ("is taken" if number > 0 else "is no version: it must be 1 or more")
            + f"; the next free one is {layout.next_version(folder)}"
        )
    tokenizer, why_not = _tokenizer(found, chosen, required=require_text)
    with files.beside(target) as scratch:
        written = scratch / str(number)
        facts = {"no_text_because": why_not, **_write(written, name, found, tokenizer, chosen)}
        # The proof reads it, before the result of the proof can be added.
        provenance.write(written, facts)
        report = proof.prove(written, found)
        if report.differences:
            raise ExportRefusedError(
                f"{name} was not published, for it does not answer like {found.name}:\n{report}"
            )
        provenance.write(written, {**facts, "parity": report.facts()})
        try:
            written.rename(target)
        except OSError as error:
            if not target.exists():
                raise
            raise ExportError(
                f"{target} appeared while it was being written; nothing is lost, and nothing was"
                " published. Run the export again"
            ) from error
    _list_model(folder.parent)
    return Export(target, name, number, tuple(facts["signatures"]), why_not, report)


def _name(found: Checkpoint) -> str:
    if found.path == embedded.path():
        return "diglot-sst2"
    return Path(found.name).name or Path(found.name).resolve().name


def _chosen(choices: Mapping[str, Any]) -> Choices:
    allowed = [one.name for one in fields(Choices)]
    if strangers := sorted(set(choices) - set(allowed)):
        raise ExportError(
            f"{', '.join(strangers)} cannot be chosen; these can: {', '.join(allowed)}"
        )
    chosen = Choices(**choices)
    for one, known in (("precision", get_args(Precision)), ("ids", get_args(Ids))):
        if (value := getattr(chosen, one)) not in known:
            raise ExportError(f"{one} must be one of {', '.join(known)}, not {value!r}")
    if chosen.seed < 0:
        raise ExportError(f"the seed must be 0 or more, not {chosen.seed}")
    if chosen.xla:
        log.warning(
            "the program is compiled by XLA: a CPU server must be started with"
            " --xla_cpu_compilation_enabled, or it will not run it"
        )
    return chosen


def _tokenizer(
    found: Checkpoint, chosen: Choices, *, required: bool
) -> tuple[GraphTokenizer | None, str | None]:
    """The compiled tokenizer, or why there is none."""
    try:
        return proof.compiled(found, pairs=chosen.pairs, seed=chosen.seed), None
    except TokenizerNotSupportedError as error:
        if required:
            raise
        log.warning("there will be no signatures for text: %s", error)
        return None, str(error)


def _write(
    folder: Path,
    name: str,
    found: Checkpoint,
    tokenizer: GraphTokenizer | None,
    chosen: Choices,
) -> dict[str, Any]:
    """Write the SavedModel and what belongs beside it; the facts for its provenance."""
    import tensorflow as tf

    from diglot.lowering import record
    from diglot.serving.signatures import Servable
    from diglot.serving.targets import warmup

    model = torch_model.load(found, precision=chosen.precision)
    program = record.record(model, found.input_names, {})
    if chosen.freeze:
        _check_size(program.parameters)
    pad = proof.pad_token(found)
    servable = Servable(
        program,
        described=Description(found.task, found.max_tokens),
        pad=pad,
        tokenizer=tokenizer,
        pairs=chosen.pairs,
        ids=getattr(tf, chosen.ids),
        freeze=chosen.freeze,
        xla=chosen.xla,
    )
    tf.saved_model.save(servable, str(folder), signatures=servable.functions)
    if tokenizer is not None:
        _mark_classify(folder)
    logs = warmup.requests(name, servable.functions, most=found.max_tokens, pad=pad or 0)
    warmup.write(folder / layout.WARMUP, list(logs))
    (folder / layout.BATCHING).write_text(warmup.batching_parameters(), "utf-8")
    (folder / layout.LABELS).write_text("".join(f"{one}\n" for one in found.labels), "utf-8")
    if tokenizer is not None:
        spell = found.tokenizer.convert_ids_to_tokens
        tokens = spell(list(range(len(found.tokenizer))))
        (folder / layout.TOKENS).write_text(json.dumps(tokens, ensure_ascii=False), "utf-8")
    return {
        "name": name,
        "checkpoint": {
            "name": found.name,
            "revision": found.revision,
            "files": provenance.hashes(found.path),
        },
        "labels": list(found.labels),
        "function_to_apply": found.task.function,
        "max_tokens": found.max_tokens,
        **asdict(chosen),
        "signatures": sorted(servable.functions),
        "tokenizer": None
        if tokenizer is None
        else {"operators": list(tokenizer.operators), "strings_compared": proof.STRINGS},
        "versions": versions.packages(),
    }


def _check_size(parameters: Mapping[str, tf.Variable]) -> None:
    size = sum(one.shape.num_elements() * one.dtype.size for one in parameters.values())
    if size > _MOST_CONSTANTS:
        raise ExportError(
            f"the weights take {size:,} bytes, and a graph can hold {_MOST_CONSTANTS:,} as"
            " constants; leave freeze out"
        )


def _mark_classify(folder: Path) -> None:
    """Name the method that the Classify API insists on; ``tf.saved_model.save`` names Predict."""
    from tensorflow.core.protobuf import saved_model_pb2

    path = folder / layout.PROGRAM
    saved = saved_model_pb2.SavedModel.FromString(path.read_bytes())
    for graph in saved.meta_graphs:
        graph.signature_def["classify"].method_name = "tensorflow/serving/classify"
    path.write_bytes(saved.SerializeToString(deterministic=True))


def _list_model(folder: Path) -> None:
    """Bring ``models.config`` up to date, the list of models for ``--model_config_file``."""
    from google.protobuf import text_format
    from tensorflow_serving.config import model_server_config_pb2

    path = folder / layout.MODELS
    server = model_server_config_pb2.ModelServerConfig()
    try:
        if path.is_file():
            text_format.Parse(path.read_text("utf-8"), server)
    except (text_format.ParseError, UnicodeDecodeError) as error:
        log.warning("%s is left as it is, for it cannot be read: %s", path, error)
        return
    models = {one.name for one in folder.iterdir() if layout.versions(one)}
    # What was chosen by hand, such as a policy of versions, stays.
    kept = [one for one in server.model_config_list.config if one.name in models]
    new = [
        model_server_config_pb2.ModelConfig(
            name=name, base_path=f"/models/{name}", model_platform="tensorflow"
        )
        for name in models - {one.name for one in kept}
    ]
    del server.model_config_list.config[:]
    server.model_config_list.config.extend(sorted(kept + new, key=lambda one: one.name))
    with files.replacing_file(path) as written:
        written.write_text(text_format.MessageToString(server), "utf-8")
