"""Transformers' PyTorch model of a checkpoint; missing weights are an error.

Where weights are missing, transformers fills in random numbers and prints a report. Here that is an
error which names them, unless the user asks for a fresh head.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from diglot.checkpoints import hub, weights
from diglot.errors import (
    CheckpointError,
    CorruptWeightsError,
    MissingLabelsError,
    UntrainedHeadError,
)
from diglot.quiet import transformers_muted

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel

    from diglot.checkpoints.checkpoint import Checkpoint
    from diglot.types import Precision


def load(
    checkpoint: Checkpoint, *, precision: Precision = "float32", head: bool = True
) -> PreTrainedModel:
    """Read the weights into transformers' PyTorch model, in evaluation mode, on the CPU.

    Args:
        checkpoint: the checkpoint.
        precision: the dtype of the parameters.
        head: whether to load the checkpoint's head too, or the base model alone.

    Raises:
        UnknownArchitectureError: transformers has no such class for this architecture.
        UnsafeWeightsError: the weights are not safetensors.
        CorruptWeightsError: a file is missing or damaged, or does not fit the configuration.
        UntrainedHeadError: the weights hold no classification head.
        MissingLabelsError: the head's rows and the labels differ in number.
    """
    import torch

    model_class = checkpoint.model_class(checkpoint.head if head else None)
    if (quantization := checkpoint.raw_config.get("quantization_config")) is not None:
        raise CheckpointError(
            f"{checkpoint.name} is quantized (quantization_config is {quantization!r}), which"
            " diglot does not read. Use the checkpoint that it was made from, or dequantize it in"
            " transformers and save it again."
        )

    def listing() -> list[str] | None:
        revision = checkpoint.revision
        return hub.listing(checkpoint.name, revision) if revision else None

    state = weights.read(weights.files(checkpoint.path, listing=listing))
    return _build(model_class, checkpoint, state, dtype=getattr(torch, precision), head=head)


def _build(
    model_class: type[PreTrainedModel],
    checkpoint: Checkpoint,
    state: dict[str, torch.Tensor],
    *,
    dtype: torch.dtype,
    head: bool,
) -> PreTrainedModel:
    """Build a model of the class with these weights.

    If the weights lack the pooler of a base model, the model is built without one: its hidden
    states do not need it, and random numbers must not pass for a pooled output.
    """
    model, report = _from_transformers(model_class, checkpoint, state, dtype=dtype)
    missing = report["missing_keys"]
    if not head and missing and all(key.startswith("pooler.") for key in missing):
        model, report = _from_transformers(
            model_class, checkpoint, state, dtype=dtype, add_pooling_layer=False
        )
    _refuse_random_weights(model, checkpoint, report, head=head)
    # Up to here the parameters are the file, mapped into memory: a program that writes to the file
    # would change them, or end this process.
    for tensor in (*model.parameters(), *model.buffers()):
        tensor.data = tensor.data.clone()
    return model


def _from_transformers(
    model_class: type[PreTrainedModel],
    checkpoint: Checkpoint,
    state: dict[str, torch.Tensor],
    *,
    dtype: torch.dtype,
    **options: Any,
) -> tuple[PreTrainedModel, dict[str, Any]]:
    import torch

    fresh = checkpoint.fresh_head
    # transformers gets the weights as a dictionary and no path. From a path it may also load
    # adapters and other files that are in the folder or that its configuration names.
    try:
        with transformers_muted(), torch.random.fork_rng(devices=[], enabled=fresh):
            if fresh:
                torch.default_generator.manual_seed(checkpoint.seed)
            model, report = model_class.from_pretrained(
                None,
                config=checkpoint.config,
                state_dict=state,
                ignore_mismatched_sizes=True,
                output_loading_info=True,
                # In another precision, the random numbers of a fresh head would differ.
                dtype=torch.float32 if fresh else dtype,
                **options,
            )
    except Exception as error:
        raise CheckpointError(
            f"transformers could not build {model_class.__name__} from {checkpoint.path}:"
            f" {type(error).__name__}: {error}"
        ) from error
    return model.to(dtype) if fresh else model, report


def _refuse_random_weights(
    model: PreTrainedModel, checkpoint: Checkpoint, report: dict[str, Any], *, head: bool
) -> None:
    """Raise an error for weights that transformers filled in at random, except a fresh head."""
    name = checkpoint.name
    missing = sorted(report["missing_keys"])
    mismatched = sorted(report["mismatched_keys"])
    if of_body := [key for key in missing if not (head and _of_head(model, key))]:
        raise CorruptWeightsError(
            f"the weights of {name} lack {len(of_body)} of the {len(model.state_dict())} that a"
            f" {type(model).__name__} needs: {_listed(of_body)}. The file is incomplete, or belongs"
            " to another config.json."
        )
    if wrong := [entry for entry in mismatched if not (head and _of_head(model, entry[0]))]:
        shapes = [f"{key} is {tuple(own)}, not {tuple(expected)}" for key, own, expected in wrong]
        raise CorruptWeightsError(
            f"the weights of {name} do not have the shapes that config.json asks for:"
            f" {_listed(shapes)}. The file belongs to another config.json."
        )
    if checkpoint.fresh_head:
        return
    if missing:
        classes = ", ".join(model.config.architectures or ["none"])
        raise UntrainedHeadError(
            f"{name} has no trained classification head: its weights lack {_listed(missing)}"
            f" (config.json says: saved from {classes}). Use a checkpoint that was"
            " fine-tuned for classification; for a head of random weights, pass fresh_head=True"
            " (--fresh-head)."
        )
    if mismatched:
        key, own, expected = mismatched[0]
        origin = "are given" if checkpoint.labels_given else "follow from config.json"
        raise MissingLabelsError(
            f"the head of {name} does not fit its labels: {key} has the shape {tuple(own)}, but"
            f" {model.config.num_labels} labels {origin}, which need {tuple(expected)}. Pass one"
            ' label for each row of the head, such as labels=["NEGATIVE", "POSITIVE"]; or pass'
            " fresh_head=True (--fresh-head) for a head of random weights."
        )


def _of_head(model: PreTrainedModel, key: str) -> bool:
    # Some architectures keep the pooler, which is a part of the classifier, in their body.
    body, _, part = key.partition(".")
    return body != model.base_model_prefix or part.startswith("pooler.")


def _listed(items: Sequence[str], most: int = 5) -> str:
    rest = len(items) - most
    return ", ".join(items[:most]) + (f" and {rest} more" if rest > 0 else "")
