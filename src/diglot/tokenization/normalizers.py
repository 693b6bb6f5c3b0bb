"""Normalizers that rewrite single code points or literal strings, and sequences of normalizers."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import groupby

import tensorflow as tf
from tokenizers import normalizers as library

from diglot.tokenization import characters, ragged
from diglot.tokenization.components import Normalizer, Spec


class CodePointNormalizer(tf.Module):  # type: ignore[misc]  # TensorFlow is untyped
    """A normalizer that rewrites code points.

    A sequence of such normalizers decodes and encodes the texts only once.
    """

    keeps_start = False
    expands = True

    def rewrite(self, code_points: tf.RaggedTensor) -> tf.RaggedTensor:
        """Rewrite each text: ``[n, chars]``, int32, to ``[n, chars]``, int32."""
        raise NotImplementedError

    def __call__(self, texts: tf.Tensor) -> tf.Tensor:
        """Normalize each text: ``[n]``, string, to ``[n]``, string."""
        return characters.encode(self.rewrite(characters.decode(texts)))


class Mapped(CodePointNormalizer):
    """Replaces each code point by a string, independently of its neighbours."""

    def __init__(self, replacements: Mapping[int, str]) -> None:
        """Store the replacements. A code point without one stays as it is."""
        super().__init__()
        self.keeps_start = "" not in replacements.values()
        self.expands = any(len(replacement) > 1 for replacement in replacements.values())
        self._table = characters.ReplacementTable(replacements)

    def rewrite(self, code_points: tf.RaggedTensor) -> tf.RaggedTensor:
        """Rewrite each text: ``[n, chars]``, int32, to ``[n, chars]``, int32."""
        return self._table(code_points)


class Stripped(CodePointNormalizer):
    """Drops white space at the ends of texts."""

    def __init__(self, *, left: bool, right: bool) -> None:
        """Choose the ends, and ask the library which characters are white space."""
        super().__init__()
        self.keeps_start = not left
        self.expands = False
        self._left, self._right = left, right
        strip = library.Strip()
        self._space = characters.CodePointTable(
            characters.mask(
                ord(character)
                for block in characters.blocks()
                for character in block
                if not strip.normalize_str(character)
            )
        )

    def rewrite(self, code_points: tf.RaggedTensor) -> tf.RaggedTensor:
        """Rewrite each text: ``[n, chars]``, int32, to ``[n, chars]``, int32."""
        # The number of characters before each place that are not white space.
        solid = ragged.row_splits(~self._space(code_points.values))
        rows = ragged.row_ids(code_points.row_splits)
        keep = tf.ones_like(code_points.values, tf.bool)
        if self._left:
            keep &= solid[1:] > tf.gather(tf.gather(solid, code_points.row_starts()), rows)
        if self._right:
            keep &= solid[:-1] < tf.gather(tf.gather(solid, code_points.row_limits()), rows)
        return ragged.select(code_points, keep)


class Prepended(tf.Module):  # type: ignore[misc]  # TensorFlow is untyped
    """Puts a string before each text that is not empty."""

    keeps_start = True
    expands = True

    def __init__(self, prefix: str) -> None:
        """Store the string."""
        super().__init__()
        self._prefix = prefix

    def __call__(self, texts: tf.Tensor) -> tf.Tensor:
        """Normalize each text: ``[n]``, string, to ``[n]``, string."""
        return tf.where(texts == "", texts, tf.strings.join([self._prefix, texts]))


class NormalizerSequence(tf.Module):  # type: ignore[misc]  # TensorFlow is untyped
    """Applies several normalizers in turn."""

    def __init__(self, steps: list[Normalizer]) -> None:
        """Store the normalizers in their order."""
        super().__init__()
        self._steps = steps
        self.keeps_start = all(step.keeps_start for step in steps)
        self.expands = any(step.expands for step in steps)

    def __call__(self, texts: tf.Tensor) -> tf.Tensor:
        """Normalize each text: ``[n]``, string, to ``[n]``, string."""
        groups = groupby(self._steps, lambda step: isinstance(step, CodePointNormalizer))
        for on_code_points, steps in groups:
            if on_code_points:
                code_points = characters.decode(texts)
                for step in steps:
                    code_points = step.rewrite(code_points)  # type: ignore[attr-defined]
                texts = characters.encode(code_points)
            else:
                for step in steps:
                    texts = step(texts)
        return texts


def build_lowercase(spec: Spec) -> Normalizer:
    """Build ``Lowercase``. It ignores the context: a final sigma becomes an ordinary sigma."""
    return Mapped(characters.ask(library.Lowercase()))


def build_nmt(spec: Spec) -> Normalizer:
    """Build ``Nmt``, which drops some control characters and turns others into spaces."""
    return Mapped(characters.ask(library.Nmt()))


def build_strip_accents(spec: Spec) -> Normalizer:
    """Build ``StripAccents``, which drops combining marks and keeps composed letters."""
    return Mapped(characters.ask(library.StripAccents()))


def build_strip(spec: Spec) -> Normalizer:
    """Build ``Strip``."""
    return Stripped(left=spec["strip_left"], right=spec["strip_right"])


def build_prepend(spec: Spec) -> Normalizer:
    """Build ``Prepend``."""
    return Prepended(spec["prepend"])
