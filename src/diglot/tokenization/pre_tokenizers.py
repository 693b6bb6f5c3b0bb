"""Pre-tokenizers that split texts at delimiters, and sequences of pre-tokenizers.

All splitting uses one class, :class:`Splitter`. Its delimiters are either characters, looked up in
a table, or the matches of a regular expression.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray
from tokenizers import pre_tokenizers as library

from diglot.errors import TokenizerNotSupportedError
from diglot.tokenization import characters, ragged
from diglot.tokenization.components import REMEDY, PreTokenizer, Spec
from diglot.tokenization.regex_matcher import Matcher, Pieces
from diglot.tokenization.regex_parser import literal, parse

BEHAVIORS: Final = (
    "Removed",
    "Isolated",
    "MergedWithPrevious",
    "MergedWithNext",
    "Contiguous",
)
"""What happens to a delimiter, by the names of ``tokenizer.json``."""

# Classes of characters. A delimiter or a lone character is one piece; neighbours of the same other
# class form one piece.
_DELIMITER, _LONE, _WORD, _SYMBOL = -1, -2, 0, 1


class WholeText(tf.Module):  # type: ignore[misc]  # TensorFlow is untyped
    """Makes one word of each text, for files without a pre-tokenizer."""

    uses_start = False
    keeps_start = True

    def __call__(self, texts: tf.Tensor, at_start: tf.Tensor) -> tf.RaggedTensor:
        """Cut each text: ``[n]``, string, to ``[n, words]``, string."""
        return tf.RaggedTensor.from_row_lengths(
            tf.boolean_mask(texts, texts != ""), tf.cast(texts != "", tf.int64), validate=False
        )


class CharacterClasses(tf.Module):  # type: ignore[misc]  # TensorFlow is untyped
    """Divides texts into pieces by the class of each character."""

    def __init__(self, classes: NDArray[np.int8]) -> None:
        """Store the class of each code point: ``[0x110000]``, int8."""
        super().__init__()
        self._classes = characters.CodePointTable(classes)

    def __call__(self, code_points: tf.RaggedTensor) -> Pieces:
        """Divide each text: ``[n, chars]``, int32. The delimiters are the matches."""
        classes = tf.cast(self._classes(code_points.values), tf.int32)
        starts = (classes != ragged.previous(classes, _DELIMITER)) | (classes < 0)
        return Pieces(starts, classes == _DELIMITER)


class Splitter(tf.Module):  # type: ignore[misc]  # TensorFlow is untyped
    """Splits texts at delimiters."""

    uses_start = False

    def __init__(
        self,
        find: Callable[[tf.RaggedTensor], Pieces],
        behavior: str,
        *,
        invert: bool = False,
    ) -> None:
        """Build the splitter.

        Args:
            find: a :class:`CharacterClasses` or a :class:`Matcher`, whose matches are the
                delimiters.
            behavior: one of ``BEHAVIORS``.
            invert: the delimiters are the pieces that do not match.
        """
        super().__init__()
        self.keeps_start = behavior != "Removed"
        self._find = find
        self._behavior = behavior
        self._invert = invert

    def __call__(self, texts: tf.Tensor, at_start: tf.Tensor) -> tf.RaggedTensor:
        """Cut each text: ``[n]``, string, to ``[n, words]``, string."""
        code_points = characters.decode(texts)
        starts, matched = self._find(code_points)
        delimiter = ~matched if self._invert else matched
        before = ragged.previous(delimiter, False)
        keep = tf.ones_like(delimiter)
        if self._behavior == "Removed":
            keep = ~delimiter
        elif self._behavior == "MergedWithPrevious":
            starts &= ~delimiter | before
        elif self._behavior == "MergedWithNext":
            starts &= delimiter | ~before
        elif self._behavior == "Contiguous":
            starts &= delimiter != before
        return characters.cut(code_points, keep, starts)


class PreTokenizerSequence(tf.Module):  # type: ignore[misc]  # TensorFlow is untyped
    """Applies several pre-tokenizers in turn, each to the words of the one before.

    Attributes:
        uses_start_after_cut: True if a step depends on the start of the text after an earlier step
            can have cut the text there.
    """

    uses_start_after_cut: bool

    def __init__(self, steps: list[PreTokenizer]) -> None:
        """Store the pre-tokenizers in their order.

        Raises:
            TokenizerNotSupportedError: a step depends on whether a word is at the start of the
                text, and a step before it can drop or rewrite the start.
        """
        super().__init__()
        self._steps = steps
        self.uses_start = any(step.uses_start for step in steps)
        self.keeps_start = all(step.keeps_start for step in steps)
        self.uses_start_after_cut = any(step.uses_start for step in steps[1:]) or any(
            isinstance(step, PreTokenizerSequence) and step.uses_start_after_cut for step in steps
        )
        for index, step in enumerate(steps):
            only_cut = all(
                isinstance(earlier, Splitter) and earlier.keeps_start for earlier in steps[:index]
            )
            if step.uses_start and not only_cut:
                raise TokenizerNotSupportedError(
                    f"pre_tokenizer Sequence with {type(step).__name__} at index {index}",
                    "it treats the first word of a text differently, and a pre-tokenizer before it"
                    " can drop or rewrite the first characters of the text",
                    f'use prepend_scheme "always" or "never", or {REMEDY}',
                )

    def __call__(self, texts: tf.Tensor, at_start: tf.Tensor) -> tf.RaggedTensor:
        """Cut each text: ``[n]``, string, to ``[n, words]``, string."""
        words = tf.RaggedTensor.from_uniform_row_length(texts, 1)
        for step in self._steps:
            text = ragged.row_ids(words.row_splits)
            parts = step(words.values, ragged.row_starts(words) & tf.gather(at_start, text))
            splits = tf.gather(parts.row_splits, words.row_splits)
            words = tf.RaggedTensor.from_row_splits(parts.values, splits, validate=False)
        return words


def build_split(spec: Spec) -> PreTokenizer:
    """Build ``Split``.

    Raises:
        TokenizerNotSupportedError: the pattern or the behavior is not supported.
    """
    (kind, pattern) = next(iter(spec["pattern"].items()))
    component = f"pre_tokenizer Split with the pattern {pattern!r}"
    if kind not in ("Regex", "String") or not pattern:
        raise TokenizerNotSupportedError(
            component, f"expected a non-empty Regex or String pattern, got {kind}", REMEDY
        )
    if spec["behavior"] not in BEHAVIORS:
        raise TokenizerNotSupportedError(
            f"{component} and the behavior {spec['behavior']!r}",
            f"supported behaviors are {', '.join(BEHAVIORS)}",
            REMEDY,
        )
    tree = parse(pattern, component) if kind == "Regex" else literal(pattern)
    return Splitter(Matcher(tree, component), spec["behavior"], invert=spec.get("invert", False))


def build_punctuation(spec: Spec) -> PreTokenizer:
    """Build ``Punctuation``."""
    return Splitter(_delimiters(library.Punctuation()), spec["behavior"])


def build_digits(spec: Spec) -> PreTokenizer:
    """Build ``Digits``."""
    behavior = "Isolated" if spec["individual_digits"] else "Contiguous"
    return Splitter(_delimiters(library.Digits(individual_digits=True)), behavior)


def build_white_space(spec: Spec) -> PreTokenizer:
    r"""Build ``BertPreTokenizer``, ``Whitespace`` or ``WhitespaceSplit``.

    All three drop white space. The first also isolates punctuation. The second is the expression
    ``\w+|[^\w\s]+``, so that neighbouring symbols form one word.
    """
    classes = _classes(getattr(library, spec["type"])())
    if spec["type"] == "Whitespace":
        classes[classes == _LONE] = _SYMBOL
    return Splitter(CharacterClasses(classes), "Removed")


def _delimiters(pre_tokenizer: Any) -> CharacterClasses:
    """Ask the library's pre-tokenizer, which isolates characters, for its delimiters."""
    isolated = _classes(pre_tokenizer) == _LONE
    return CharacterClasses(np.where(isolated, _DELIMITER, _WORD).astype(np.int8))


def _classes(pre_tokenizer: Any) -> NDArray[np.int8]:
    """Ask the library's pre-tokenizer what it does with each character between two letters.

    Returns:
        ``[0x110000]``, int8: ``_DELIMITER`` if it drops the character, ``_LONE`` if it isolates it,
        ``_WORD`` if it keeps it with the letters.
    """
    classes = np.full(characters.CODE_POINTS, _DELIMITER, np.int8)
    for block in characters.blocks():
        text = "x" + "x".join(block) + "x"
        for piece, (start, end) in pre_tokenizer.pre_tokenize_str(text):
            # Every second character of the text, from the second, is one of the block.
            asked = text[start:end][(start + 1) % 2 :: 2]
            classes[list(map(ord, asked))] = _LONE if len(piece) == 1 else _WORD
    return classes
