"""``AutoTokenizer``: the tokenizer of a checkpoint, as transformers names the class."""

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
        """Load transformers' tokenizer, whose ``return_tensors`` takes ``"tf"`` too.

        Args:
            checkpoint: a directory, a hub id, a checkpoint that was found before, or ``None`` for
                the one that diglot ships.
            revision: a branch, tag or commit of a hub id.
            trust_remote_code: run the checkpoint's own Python code where it has some.
            **kwargs: for transformers' ``AutoTokenizer.from_pretrained``, such as
                ``padding_side``.

        Returns:
            A tokenizer that gives lists, or with ``return_tensors`` ``"pt"`` int64, ``"np"`` int64
            or ``"tf"`` int32 tensors (as transformers 4 did), each ``[batch, tokens]``.

        Raises:
            CheckpointNotFoundError: there is no such directory, hub id or revision.
            HubUnreachableError: it is not in the cache, and the hub cannot be asked.
            MissingTokenizerError: the checkpoint has no tokenizer that transformers can load.
        """
        if not isinstance(checkpoint, Checkpoint):
            checkpoint = find(checkpoint, revision=revision, trust_remote_code=trust_remote_code)
        trust_remote_code = checkpoint.trust_remote_code
        return tokenizer.load(checkpoint.path, trust_remote_code=trust_remote_code, **kwargs)
