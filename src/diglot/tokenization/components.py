"""The interfaces of the components of a compiled tokenizer.

Each component is built from its own section of ``tokenizer.json``. It stores its tables as
constants or as tracked attributes of a ``tf.Module``, and takes batches of UTF-8 strings. The
strings are always valid UTF-8: ``GraphTokenizer`` rejects all others before it calls a component.
"""

from __future__ import annotations

from typing import Any, Final, Protocol

import tensorflow as tf

Spec = dict[str, Any]
"""A section of ``tokenizer.json``, with its ``"type"``."""

REMEDY: Final = "tokenize with the tokenizers library outside the graph and serve the ids"
"""The advice of an error message when the file itself cannot be changed to mend the problem."""


class Normalizer(Protocol):
    """Rewrites texts."""

    @property
    def keeps_start(self) -> bool:
        """True if no text can lose its first character.

        The library remembers the offset of each character in the original text. After a normalizer
        has dropped the first character, the text no longer starts at offset 0.
        """
        ...

    @property
    def expands(self) -> bool:
        """True if the first character of a text can become several characters.

        The library gives all of them, and the words cut from them, offset 0.
        """
        ...

    def __call__(self, texts: tf.Tensor) -> tf.Tensor:
        """Normalize each text independently.

        Args:
            texts: ``[n]``, string.

        Returns:
            ``[n]``, string.
        """
        ...


class PreTokenizer(Protocol):
    """Cuts texts into words. The model sees one word at a time."""

    @property
    def uses_start(self) -> bool:
        """True if the words depend on ``at_start``."""
        ...

    @property
    def keeps_start(self) -> bool:
        """True if the first word always starts where its text starts."""
        ...

    def __call__(self, texts: tf.Tensor, at_start: tf.Tensor) -> tf.RaggedTensor:
        """Cut each text independently.

        Args:
            texts: ``[n]``, string. An empty text has no words.
            at_start: ``[n]``, bool: True if the text is at offset 0 of the original text.

        Returns:
            ``[n, words]``, string, without empty words.
        """
        ...


class Model(Protocol):
    """Turns each word into the ids of its pieces."""

    def __call__(self, words: tf.Tensor) -> tf.RaggedTensor:
        """Turn each word into ids, independently of the other words.

        Args:
            words: ``[n]``, string, none empty.

        Returns:
            ``[n, pieces]``, int32.
        """
        ...
