"""The description of one checkpoint; each part is read from its files at first use."""

from __future__ import annotations

import json
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cached_property
from inspect import signature
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from diglot.checkpoints import architectures
from diglot.checkpoints import tokenizer as tokenizers
from diglot.errors import MissingConfigError, UnknownArchitectureError
from diglot.heads import SEQUENCE_CLASSIFICATION, Head, Task
from diglot.quiet import transformers_muted

if TYPE_CHECKING:
    from transformers import PreTrainedConfig, PreTrainedModel, PreTrainedTokenizerBase

EMBEDDED = "embedded"
"""The name of the checkpoint that diglot ships."""


@dataclass(frozen=True)
class Checkpoint:
    """One checkpoint in a local directory.

    Attributes:
        name: the directory or hub id as the user gave it.
        path: the local directory.
        revision: the hub's commit hash; ``None`` for a directory.
        labels_given: the user's labels, which replace the configuration's.
        fresh_head: whether a missing head may get random weights.
        trust_remote_code: whether Python code in the checkpoint may run.
        head: the task that the checkpoint is for.
    """

    name: str
    path: Path
    revision: str | None
    labels_given: tuple[str, ...] | None = None
    fresh_head: bool = False
    trust_remote_code: bool = False
    head: Head = SEQUENCE_CLASSIFICATION

    @cached_property
    def config(self) -> PreTrainedConfig:
        """The configuration as transformers reads it, with the user's labels if there are any.

        Raises:
            MissingConfigError: there is no readable ``config.json``.
            UnknownArchitectureError: transformers does not know the ``model_type``.
        """
        from transformers import CONFIG_MAPPING, AutoConfig

        kind = self.raw_config.get("model_type")
        if kind not in CONFIG_MAPPING and not self._has_code("AutoConfig"):
            near = get_close_matches(str(kind), list(CONFIG_MAPPING.keys()))
            raise self._unknown(
                f"the model_type {kind!r} that config.json names"
                + (f" (a similar one is {near[0]!r})" if near else "")
            )
        try:
            with transformers_muted():
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
        """The checkpoint's tokenizer; with ``return_tensors="tf"`` it gives TensorFlow tensors.

        Raises:
            MissingTokenizerError: there is none that transformers can load.
        """
        return tokenizers.load(self.path, trust_remote_code=self.trust_remote_code)

    @cached_property
    def labels(self) -> tuple[str, ...]:
        """The labels, in the order of the head's rows.

        Raises:
            MissingLabelsError: none are given, and the configuration does not name each of them.
        """
        if self.labels_given is not None:
            return self.labels_given
        return self.head.labels(self.raw_config, str(self.path / "config.json"))

    @property
    def task(self) -> Task:
        """The head with this checkpoint's labels and score function.

        Raises:
            MissingLabelsError: as :attr:`labels`.
        """
        return Task(self.head, self.labels, self.head.score_function(self.config))

    @cached_property
    def seed(self) -> int:
        """The random seed of a fresh head; every load of this object makes the same head.

        PyTorch's random generator gives the seed at first use.
        """
        import torch

        return int(torch.randint(2**31, ()))

    @cached_property
    def max_tokens(self) -> int | None:
        """The longest encoding that the model takes, in tokens; ``None`` without a limit.

        The smaller of the tokenizer's limit and the size of the model's table of positions. Rotary
        and relative positions exist for any length, so for models that use them (llama, qwen2,
        modernbert, deberta-v3) the tokenizer's limit alone counts.
        """
        limit = self.tokenizer.model_max_length
        bounds = [limit] if limit < architectures.UNBOUNDED else []
        if (room := architectures.positions(self.config)) is not None:
            bounds.append(room)
        return min(bounds, default=None)

    @cached_property
    def pad_token(self) -> int | None:
        """The id that both the tokenizer and the model know as padding; ``None`` without one.

        Texts of different length can share a batch only with such an id: decoders look for the
        last token that is not padding, and RoBERTa-like models count positions by it.
        """
        known: int | None = self.config.get_text_config().pad_token_id
        return known if known == self.tokenizer.pad_token_id else None

    @cached_property
    def input_names(self) -> tuple[str, ...]:
        """The inputs that the tokenizer gives and the model takes: ids, mask, token types."""
        try:
            model_class = self.model_class(self.head)
        except UnknownArchitectureError:
            model_class = self.model_class(None)
        taken = signature(model_class.forward).parameters
        offered = self.tokenizer.model_input_names
        return tuple(name for name in architectures.INPUTS if name in taken and name in offered)

    def model_class(self, head: Head | None) -> type[PreTrainedModel]:
        """Transformers' PyTorch class for the checkpoint.

        Args:
            head: the head that the class has; ``None`` for the base model.

        Raises:
            UnknownArchitectureError: transformers has no such class for this architecture.
        """
        import transformers
        from transformers.dynamic_module_utils import get_class_from_dynamic_module

        name = "AutoModel" if head is None else head.auto_class
        if self._has_code(name):
            reference = self.raw_config["auto_map"][name]
            model_class = get_class_from_dynamic_module(reference, self.path, local_files_only=True)
            return cast("type[PreTrainedModel]", model_class)
        mapping = getattr(transformers, name)._model_mapping
        if type(self.config) not in mapping:
            what = "a base model" if head is None else f"an {name}"
            raise self._unknown(f"{what} for the model_type {self.config.model_type!r}")
        model_class = mapping[type(self.config)]
        several = isinstance(model_class, tuple)
        return cast("type[PreTrainedModel]", model_class[0] if several else model_class)

    def _has_code(self, auto: str) -> bool:
        return self.trust_remote_code and auto in (self.raw_config.get("auto_map") or {})

    @cached_property
    def raw_config(self) -> dict[str, Any]:
        """The content of ``config.json``, without the defaults that transformers adds.

        Raises:
            MissingConfigError: there is no readable ``config.json``.
        """
        file = self.path / "config.json"
        try:
            raw = json.loads(file.read_text(encoding="utf-8"))
        except FileNotFoundError as error:
            remedy = "Give the folder to which save_pretrained wrote the model."
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
        if "auto_map" in self.raw_config and not self.trust_remote_code:
            remedy = (
                "The checkpoint contains Python code: read it, and if you trust it pass"
                " trust_remote_code=True."
            )
        return UnknownArchitectureError(
            f"{self.name}: transformers {transformers.__version__} does not know {what}. {remedy}"
        )
