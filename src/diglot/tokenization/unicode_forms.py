"""Unicode's normal forms, in the library's version of Unicode.

The decomposition of a character depends on the character alone. The order of the marks after a
letter, and the characters that they compose to, do not. Both follow the algorithms of the Unicode
Standard (section 3.11, definitions D108 to D117), as in the library.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache, cmp_to_key
from typing import Final

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray
from tokenizers import normalizers as library

from diglot.tokenization import characters, ragged
from diglot.tokenization.components import Normalizer, Spec
from diglot.tokenization.normalizers import CodePointNormalizer, Mapped

_NFC: Final = library.NFC()
_NFD: Final = library.NFD()

# Marks of the lowest and the highest combining class.
_LOWEST, _HIGHEST = "\u0334", "\u0345"

# A pair of characters is stored as one number: first * _SHIFT + second.
_SHIFT: Final = 2**21


class Decomposed(Mapped):
    """Replaces each code point by a string, then sorts the marks after each letter."""

    def __init__(self, replacements: Mapping[int, str]) -> None:
        """Store the decomposition of each code point."""
        super().__init__(replacements)
        self._classes = characters.CodePointTable(combining_classes())

    def rewrite(self, code_points: tf.RaggedTensor) -> tf.RaggedTensor:
        """Rewrite each text: ``[n, chars]``, int32, to ``[n, chars]``, int32."""
        code_points = super().rewrite(code_points)
        values = code_points.values
        classes = tf.cast(self._classes(values), tf.int64)
        starts = ragged.row_starts(code_points)
        unsorted = (classes[1:] > 0) & (classes[:-1] > classes[1:]) & ~starts[1:]

        def in_order() -> tf.Tensor:
            # Marks move within a run, which begins at a starter or at the start of a text. The
            # position in the key keeps the order of marks of the same class.
            runs = tf.cumsum(tf.cast((classes == 0) | starts, tf.int64))
            count = tf.size(values, tf.int64)
            keys = (runs * 256 + classes) * count + tf.range(count)
            return tf.gather(values, tf.argsort(keys))

        values = tf.cond(tf.reduce_any(unsorted), in_order, lambda: values)
        return code_points.with_values(values)


class Composed(CodePointNormalizer):
    """Composes characters that are decomposed and in canonical order."""

    keeps_start = True

    def __init__(self) -> None:
        """Ask the library for all pairs that compose."""
        super().__init__()
        pairs = compositions()
        keys = sorted(pairs)
        self._classes = characters.CodePointTable(combining_classes())
        self._seconds = characters.CodePointTable(characters.mask(key % _SHIFT for key in keys))
        with tf.init_scope():
            self._keys = tf.constant(keys, tf.int64)
            self._composites = tf.constant([pairs[key] for key in keys], tf.int32)

    def rewrite(self, code_points: tf.RaggedTensor) -> tf.RaggedTensor:
        """Rewrite each text: ``[n, chars]``, int32, to ``[n, chars]``, int32."""
        values = code_points.values
        classes = tf.cast(self._classes(values), tf.int32)
        # A run begins with a starter that is never the second of a pair, so nothing composes across
        # runs. All runs are processed in parallel, one character of each run at a time.
        begins = ragged.row_starts(code_points) | ((classes == 0) & ~self._seconds(values))
        first = tf.cast(tf.where(begins)[:, 0], tf.int32)
        limit = ragged.following(first, tf.size(values))
        # The last starter of each run (-1: none), its place, and the class of the last mark that
        # was not composed.
        letter = tf.gather(values, first)
        letter = tf.where(tf.gather(classes, first) == 0, letter, -1)
        last_class = tf.where(letter >= 0, -1, tf.gather(classes, first))

        def unfinished(
            _: tf.Tensor, position: tf.Tensor, limit: tf.Tensor, *state: tf.Tensor
        ) -> tf.Tensor:
            return tf.reduce_any(position < limit)

        def step(
            values: tf.Tensor,
            position: tf.Tensor,
            limit: tf.Tensor,
            letter: tf.Tensor,
            place: tf.Tensor,
            last_class: tf.Tensor,
        ) -> tuple[tf.Tensor, ...]:
            active = tf.where(position < limit)[:, 0]
            position, limit, letter, place, last_class = (
                tf.gather(vector, active) for vector in (position, limit, letter, place, last_class)
            )
            character, rank = tf.gather(values, position), tf.gather(classes, position)
            composite = tf.where(last_class < rank, self._compose(letter, character), -1)
            composes = composite >= 0
            # The composite takes the place of the letter, and -1 that of the character.
            index = tf.boolean_mask(tf.stack([place, position], 1), composes)
            update = tf.stack([composite, tf.fill(tf.shape(composite), -1)], 1)
            values = tf.tensor_scatter_nd_update(
                values,
                tf.reshape(index, [-1, 1]),
                tf.reshape(tf.boolean_mask(update, composes), [-1]),
            )
            restarts = ~composes & (rank == 0)
            letter = tf.where(composes, composite, tf.where(restarts, character, letter))
            place = tf.where(restarts, position, place)
            last_class = tf.where(composes, last_class, tf.where(restarts, -1, rank))
            return values, position + 1, limit, letter, place, last_class

        state = (values, first + 1, limit, letter, first, last_class)
        shapes = (tf.TensorShape([None]),) * len(state)
        values, *_ = tf.while_loop(unfinished, step, state, shape_invariants=shapes)
        return ragged.select(code_points.with_values(values), values >= 0)

    def _compose(self, first: tf.Tensor, second: tf.Tensor) -> tf.Tensor:
        """Return the composite of each pair, or -1."""
        key = tf.cast(first, tf.int64) * _SHIFT + tf.cast(second, tf.int64)
        index = tf.minimum(tf.searchsorted(self._keys, key), tf.size(self._keys) - 1)
        known = tf.gather(self._keys, index) == key
        return tf.where(known, tf.gather(self._composites, index), -1)


class Form(CodePointNormalizer):
    """A normal form. It skips texts that are already normal at a glance."""

    keeps_start = True

    def __init__(self, steps: list[CodePointNormalizer], unsettled: NDArray[np.bool_]) -> None:
        """Store the steps of the form.

        Args:
            steps: the normalizers to apply in turn.
            unsettled: ``[0x110000]``, bool. The steps change no text without these code points.
        """
        super().__init__()
        self._steps = steps
        self._unsettled = characters.CodePointTable(unsettled)

    def rewrite(self, code_points: tf.RaggedTensor) -> tf.RaggedTensor:
        """Rewrite each text: ``[n, chars]``, int32, to ``[n, chars]``, int32."""

        def rewritten() -> tuple[tf.Tensor, tf.Tensor]:
            new = code_points
            for step in self._steps:
                new = step.rewrite(new)
            return new.values, new.row_splits

        values, splits = tf.cond(
            tf.reduce_any(self._unsettled(code_points.values)),
            rewritten,
            lambda: (code_points.values, code_points.row_splits),
        )
        return tf.RaggedTensor.from_row_splits(values, splits, validate=False)


def build_unicode_form(spec: Spec) -> Normalizer:
    """Build ``NFC``, ``NFD``, ``NFKC`` or ``NFKD``."""
    kind = spec["type"]
    form = getattr(library, kind)()
    decomposition = _NFD if kind in ("NFC", "NFD") else library.NFKD()
    steps: list[CodePointNormalizer] = [Decomposed(characters.ask(decomposition))]
    unsettled = characters.mask(characters.ask(form)) | (combining_classes() > 0)
    if kind in ("NFC", "NFKC"):
        steps.append(Composed())
        unsettled |= characters.mask(key % _SHIFT for key in compositions())
    return Form(steps, unsettled)


@cache
def combining_classes() -> NDArray[np.uint8]:
    """Return the rank of the canonical combining class of each code point.

    The library does not expose the classes. It shows them by the order in which it puts marks.

    Returns:
        ``[0x110000]``, uint8, read-only: 0 for starters, and a higher rank for a higher class.
    """

    def swaps(first: str, second: str) -> bool:
        return _NFD.normalize_str(first + second) == second + first

    def compare(first: str, second: str) -> int:
        return swaps(first, second) - swaps(second, first)

    # Every mark moves when it precedes a mark of the lowest class or follows a mark of the highest
    # class. Starters do not move.
    marks = [
        mark
        for block in characters.blocks()
        for mark, before_lowest, after_highest in zip(
            block,
            _NFD.normalize_str("".join(f"~{mark}{_LOWEST}" for mark in block)).split("~")[1:],
            _NFD.normalize_str("".join(f"~{_HIGHEST}{mark}" for mark in block)).split("~")[1:],
            strict=False,
        )
        if before_lowest == _LOWEST + mark
        or (after_highest == mark + _HIGHEST and mark != _HIGHEST)
    ]
    marks.sort(key=cmp_to_key(compare))
    ranks = np.zeros(characters.CODE_POINTS, np.uint8)
    rank = 1
    for index, mark in enumerate(marks):
        rank += index > 0 and compare(marks[index - 1], mark) != 0
        ranks[ord(mark)] = rank
    ranks.setflags(write=False)
    return ranks


@cache
def compositions() -> dict[int, int]:
    """Return the composite of each pair that composes, by ``first * 2**21 + second``."""
    pairs = {}
    for composite, decomposition in characters.ask(_NFD).items():
        first, second = _NFC.normalize_str(decomposition[:-1]), decomposition[-1]
        if len(first) == 1 and _NFC.normalize_str(first + second) == chr(composite):
            pairs[ord(first) * _SHIFT + ord(second)] = composite
    return pairs
