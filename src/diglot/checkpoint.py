"""Find a checkpoint, and read it: a directory, a hub id, or the default that diglot ships."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cached_property
from inspect import signature
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from diglot import hub, loading, weights
from diglot.errors import (
    CheckpointError,
    CheckpointNotFoundError,
    InputError,
    MissingConfigError,
    MissingLabelsError,
    UnknownArchitectureError,
)

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedConfig, PreTrainedModel, PreTrainedTokenizerBase

    from diglot.backends import Precision

EMBEDDED = "embedded"
"""How the checkpoint that diglot ships is called."""

# transformers writes 1e30 where a tokenizer has no limit of its own.
_UNBOUNDED = 1_000_000_000

# Their positions are counted from the padding token's id, so that the table's first rows are lost.
_POSITIONS_AFTER_PADDING = frozenset(
    {
        "camembert",
        "data2vec-text",
        "esm",
        "ibert",
        "layoutlmv3",
        "lilt",
        "longformer",
        "luke",
        "markuplm",
        "roberta",
        "roberta-prelayernorm",
        "xlm-roberta",
        "xlm-roberta-xl",
        "xmod",
    }
)

_INPUTS = ("input_ids", "attention_mask", "token_type_ids")


@dataclass(frozen=True)
class Checkpoint:
    """One checkpoint in a local directory, read no further than is asked.

    Attributes:
        name: the directory or hub id as the user gave it.
        path: the local directory.
        revision: the hub's commit hash; ``None`` for a directory.
        labels_given: labels that the user supplies instead of the configuration's.
        fresh_head: whether a classification head may be made up at random.
        trust_remote_code: whether Python code in the checkpoint may be run.
    """

    name: str
    path: Path
    revision: str | None
    labels_given: tuple[str, ...] | None = None
    fresh_head: bool = False
    trust_remote_code: bool = False

    @cached_property
    def config(self) -> PreTrainedConfig:
        """The configuration as transformers reads it, with the given labels in place of its own.

        Raises:
            MissingConfigError: there is no readable ``config.json``.
            UnknownArchitectureError: transformers does not know the ``model_type``.
        """
        from transformers import CONFIG_MAPPING, AutoConfig

        kind = self._raw_config.get("model_type")
        if kind not in CONFIG_MAPPING and not self._has_code("AutoConfig"):
            near = get_close_matches(str(kind), list(CONFIG_MAPPING.keys()))
            raise self._unknown(
                f"the model_type {kind!r} that config.json names"
                + (f" (the nearest that it knows is {near[0]!r})" if near else "")
            )
        try:
            with loading.muted():
                config = AutoConfig.from_pretrained(
                    self.path, trust_remote_code=self.trust_remote_code, local_files_only=True
                )
        except Exception as error:
            raise MissingConfigError(
                f"transformers cannot use {self.path / 'config.json'}: {error}"
            ) from error
        if self.labels_given is not None:
            config.id2label = dict(enumerate(self.labels_given))
            config.label2id = {label: index for index, label in config.id2label.items()}
        return config

    @cached_property
    def tokenizer(self) -> PreTrainedTokenizerBase:
        """The checkpoint's tokenizer, which also gives TensorFlow tensors."""
        from diglot.tokenizer import AutoTokenizer

        return AutoTokenizer.from_pretrained(self)

    @cached_property
    def labels(self) -> tuple[str, ...]:
        """The labels, in the order of the head's rows.

        Raises:
            MissingLabelsError: the configuration does not name each of them; transformers would
                make up ``LABEL_0`` and so on.
        """
        if self.labels_given is not None:
            return self.labels_given
        where = self.path / "config.json"
        remedy = (
            "Pass them all, in the order of the head's rows, such as"
            ' labels=["NEGATIVE", "POSITIVE"].'
        )
        named = self._raw_config.get("id2label")
        if not named:
            raise MissingLabelsError(f"{where} names no labels: it has no 'id2label'. {remedy}")
        try:
            by_row = {int(row): label for row, label in named.items()}
        except (AttributeError, ValueError) as error:
            raise MissingLabelsError(
                f"the 'id2label' of {where} must give a label for each row number, not {named!r}."
                f" {remedy}"
            ) from error
        if missing := set(range(len(by_row))) - set(by_row):
            raise MissingLabelsError(
                f"{where} names {len(by_row)} labels, but none for row"
                f" {', '.join(map(str, sorted(missing)))} of the head. {remedy}"
            )
        return tuple(by_row[row] for row in sorted(by_row))

    @cached_property
    def seed(self) -> int:
        """Of a head that is made up: each load of this checkpoint makes up the same one.

        It is drawn from PyTorch's random numbers when first asked for.
        """
        import torch

        return int(torch.randint(2**31, ()))

    @cached_property
    def max_tokens(self) -> int | None:
        """The longest encoding that the model takes, in tokens; ``None`` where nothing bounds it.

        It is the smaller of the tokenizer's own limit and the room in the model's table of
        positions. Rotary and relative positions are computed for any length, so that for such a
        model (llama, qwen2, modernbert, deberta-v3) the tokenizer's limit alone counts.
        """
        given = self.tokenizer.model_max_length
        bounds = [given] if given < _UNBOUNDED else []
        if (positions := _positions(self.config)) is not None:
            bounds.append(positions)
        return min(bounds, default=None)

    @cached_property
    def input_names(self) -> tuple[str, ...]:
        """What the tokenizer gives and the model takes, of ids, mask and token types."""
        try:
            model_class = self._model_class(head=True)
        except UnknownArchitectureError:
            model_class = self._model_class(head=False)
        taken = signature(model_class.forward).parameters
        given = self.tokenizer.model_input_names
        return tuple(name for name in _INPUTS if name in taken and name in given)

    def load_torch(self, *, precision: Precision = "float32", head: bool = True) -> torch.nn.Module:
        """Read the weights into transformers' PyTorch model, in evaluation mode, on the CPU.

        Args:
            precision: the dtype of the parameters.
            head: whether to load the classification head too, or the base model alone.

        Raises:
            UnknownArchitectureError: transformers has no such class for this architecture.
            UnsafeWeightsError: the weights are not safetensors.
            CorruptWeightsError: a file is missing or damaged, or does not fit the configuration.
            UntrainedHeadError: the weights hold no classification head.
            MissingLabelsError: the head's rows and the labels differ in number.
        """
        import torch

        model_class = self._model_class(head=head)
        if (quantization := self._raw_config.get("quantization_config")) is not None:
            raise CheckpointError(
                f"{self.name} is quantized (quantization_config is {quantization!r}), which diglot"
                " does not read. Use the checkpoint that it was made from, or dequantize it in"
                " transformers and save it again."
            )
        state = weights.read(weights.files(self.path, listing=self._listing))
        return loading.build(model_class, self, state, dtype=getattr(torch, precision), head=head)

    def _model_class(self, *, head: bool) -> type[PreTrainedModel]:
        from transformers import MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING, MODEL_MAPPING
        from transformers.dynamic_module_utils import get_class_from_dynamic_module

        config = self.config
        auto = "AutoModelForSequenceClassification" if head else "AutoModel"
        if self._has_code(auto):
            reference = self._raw_config["auto_map"][auto]
            found = get_class_from_dynamic_module(reference, self.path, local_files_only=True)
            return cast("type[PreTrainedModel]", found)
        mapping = MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING if head else MODEL_MAPPING
        if type(config) not in mapping:
            what = "sequence-classification class" if head else "base model"
            raise self._unknown(f"a {what} for the model_type {config.model_type!r}")
        found = mapping[type(config)]
        return cast("type[PreTrainedModel]", found[0] if isinstance(found, tuple) else found)

    def _has_code(self, auto: str) -> bool:
        return self.trust_remote_code and auto in (self._raw_config.get("auto_map") or {})

    def _listing(self) -> list[str] | None:
        return hub.listing(self.name, self.revision) if self.revision else None

    @cached_property
    def _raw_config(self) -> dict[str, Any]:
        """What ``config.json`` says itself, before transformers adds its defaults."""
        file = self.path / "config.json"
        try:
            raw = json.loads(file.read_text(encoding="utf-8"))
        except FileNotFoundError as error:
            remedy = "Give the folder that save_pretrained wrote the model to."
            if (self.path / "adapter_config.json").is_file():
                remedy = "It is a PEFT adapter: merge it into its base model and save that."
            raise MissingConfigError(f"{self.path} has no config.json. {remedy}") from error
        except (OSError, ValueError) as error:
            raise MissingConfigError(f"{file} cannot be read: {error}") from error
        if not isinstance(raw, dict):
            raise MissingConfigError(f"{file} holds a {type(raw).__name__}, not an object")
        return raw

    def _unknown(self, what: str) -> UnknownArchitectureError:
        import transformers

        remedy = "Use another checkpoint, or a version of transformers that knows it."
        if "auto_map" in self._raw_config and not self.trust_remote_code:
            remedy = (
                "The checkpoint brings Python code of its own: read it, and if you trust it pass"
                " trust_remote_code=True."
            )
        return UnknownArchitectureError(
            f"{self.name}: transformers {transformers.__version__} does not know {what}. {remedy}"
        )


def find(
    checkpoint: str | os.PathLike[str] | None = None,
    *,
    revision: str | None = None,
    labels: Sequence[str] | None = None,
    fresh_head: bool = False,
    trust_remote_code: bool = False,
) -> Checkpoint:
    """Find a checkpoint, fetching it from the hub where it is neither a directory nor cached.

    Args:
        checkpoint: a directory, a hub id (``"name"`` or ``"organisation/name"``), or ``None`` for
            the small one that diglot ships. An existing directory wins over a hub id.
        revision: a branch, tag or commit of a hub id.
        labels: one for each row of the head, in order, instead of the configuration's.
        fresh_head: allow a classification head of random weights.
        trust_remote_code: run the checkpoint's own Python code where it has some.

    Raises:
        CheckpointNotFoundError: there is no such directory, hub id or revision.
        HubUnreachableError: it is not in the cache, and the hub cannot be asked.
        InputError: the labels are not distinct texts, or a directory was given a revision.
    """
    given = None if labels is None else _checked(labels)
    name = EMBEDDED if checkpoint is None else os.fspath(checkpoint)
    path = _directory(checkpoint)
    if path is None:
        path = hub.download(name, revision, code=trust_remote_code)
        revision = path.name
    elif revision is not None:
        raise InputError(
            f"a revision ({revision!r}) is for a hub id, and {name!r} is a directory. Leave it out."
        )
    return Checkpoint(name, path, revision, given, fresh_head, trust_remote_code)


def _directory(checkpoint: str | os.PathLike[str] | None) -> Path | None:
    """The local directory that is meant; ``None`` for a hub id."""
    if checkpoint is None:
        from diglot import embedded

        return embedded.path()
    text = os.fspath(checkpoint)
    if not text:
        raise CheckpointNotFoundError(
            "the checkpoint is an empty text; give a directory or a hub id, or None for the"
            " checkpoint that diglot ships"
        )
    path = Path(os.path.expanduser(text))
    if path.is_dir():
        return path
    if path.exists():
        raise CheckpointNotFoundError(
            f"{text} is a file. Give the folder that holds it, with config.json beside it."
        )
    meant = text.startswith((".", "/", "~", "\\")) or text.count("/") > 1
    if meant or not isinstance(checkpoint, str):
        raise CheckpointNotFoundError(f"there is no directory {text} (looked in {Path.cwd()})")
    return None


def _checked(labels: Sequence[str]) -> tuple[str, ...]:
    given = tuple(labels)
    texts = not isinstance(labels, str) and all(isinstance(label, str) for label in given)
    if not given or not texts or len(set(given)) < len(given):
        raise InputError(
            f"labels must be a list of distinct texts, one for each row of the head, not {labels!r}"
        )
    return given


def _positions(config: PreTrainedConfig) -> int | None:
    """How many tokens the model's table of positions has room for; ``None`` without a table.

    Source: the embeddings modules of transformers 5.23. A configuration that asks for rotary
    positions has ``rope_parameters``; ESM's says it in ``position_embedding_type``.
    """
    rotary = getattr(config, "rope_parameters", None) is not None
    if rotary or getattr(config, "position_embedding_type", None) == "rotary":
        return None
    if not getattr(config, "position_biased_input", True):
        return None
    size: int = getattr(config, "max_position_embeddings", None) or 0
    if config.model_type in _POSITIONS_AFTER_PADDING:
        size -= config.pad_token_id + 1
    elif config.model_type == "mpnet":
        size -= 2
    return size if size > 0 else None
