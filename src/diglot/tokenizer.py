"""``AutoTokenizer``, the tokenizer of a checkpoint, under the name that transformers uses."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from diglot.checkpoints import Checkpoint, find, tokenizer

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


class AutoTokenizer:
    """Loads the tokenizer of a checkpoint."""

    @staticmethod
    def from_pretrained(
        checkpoint: str | os.PathLike[str] | Checkpoint | None = None,
        *,
        revision: str | None = None,
        trust_remote_code: bool = False,
        **kwargs: Any,
    ) -> PreTrainedTokenizerBase:
        """Load transformers' tokenizer, with ``return_tensors="tf"`` in addition.

        Args:
            checkpoint: a folder, a hub id, a :class:`Checkpoint`, or None for the checkpoint that
                is part of diglot.
            revision: a branch, tag or commit of a hub id. A :class:`Checkpoint` has its own.
            trust_remote_code: run the Python code of the checkpoint, if it has any. A
                :class:`Checkpoint` has its own setting.
            **kwargs: passed to transformers' ``AutoTokenizer.from_pretrained``, such as
                ``padding_side``.

        Returns:
            A tokenizer whose calls return lists or, with ``return_tensors``, tensors
            ``[batch, tokens]``: int64 for ``"pt"`` and ``"np"``, int32 for ``"tf"``, as in
            transformers 4. It is not thread-safe: transformers' fast tokenizers store the options
            of a call in an object that all calls share.

        Raises:
            CheckpointNotFoundError: the folder, the hub id or the revision does not exist.
            HubUnreachableError: the checkpoint is not in the cache, and the hub does not answer.
            MissingTokenizerError: transformers cannot load a tokenizer from the checkpoint.
        """
        checkpoint = find(checkpoint, revision=revision, trust_remote_code=trust_remote_code)
        return tokenizer.load(
            checkpoint.path, trust_remote_code=checkpoint.trust_remote_code, **kwargs
        )
