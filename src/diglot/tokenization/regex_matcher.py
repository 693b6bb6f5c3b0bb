"""Matches regular expressions on a whole batch of texts, with vectorized operators.

A backtracking engine tries to match the pattern at one place after another. Here each node of the
pattern is matched at all places of all texts at once. A node receives, for each place, the end of
the match of the rest of the pattern that begins there, and returns the end of the match of itself
and the rest. Greediness and backtracking therefore have the same meaning as in the engine. A search
from the left then selects, among the matches at all places, those that the engine would find.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from diglot.errors import TokenizerNotSupportedError
from diglot.tokenization import characters, ragged
from diglot.tokenization.components import REMEDY
from diglot.tokenization.regex_parser import (
    Ahead,
    Alternatives,
    CharacterClass,
    Concatenation,
    Literal,
    Node,
    Repeat,
    class_sources,
    folded_pairs,
)

# An int32 has 31 bits besides its sign.
_CLASSES = 31

# The "code point" after the last character of each text.
_END = -1


class Pieces(NamedTuple):
    """Texts divided into matches and the pieces between them."""

    starts: tf.Tensor
    """``[total chars]``, bool: a piece begins here."""
    matched: tf.Tensor
    """``[total chars]``, bool: the character is part of a match."""


class Matcher(tf.Module):  # type: ignore[misc]  # TensorFlow is untyped
    """Finds all matches of a pattern."""

    def __init__(self, tree: Node, component: str) -> None:
        """Ask the library for the members of the character classes.

        Args:
            tree: the pattern.
            component: the section of the file that has the pattern, for error messages.

        Raises:
            TokenizerNotSupportedError: the pattern has too many classes, or it ignores the case of
                letters that can together match a single character, such as "ss" and "ß".
        """
        super().__init__()
        self._tree = tree
        self._sources = sorted(class_sources(tree))
        if len(self._sources) > _CLASSES:
            raise TokenizerNotSupportedError(
                component, f"it has more than {_CLASSES} classes of characters", REMEDY
            )
        pairs = sorted(folded_pairs(tree))
        if pairs and _matches_single_character(pairs):
            raise TokenizerNotSupportedError(
                component, f"a single character can match one of {', '.join(pairs)}", REMEDY
            )
        bits = np.zeros(characters.CODE_POINTS, np.int32)
        for index, source in enumerate(self._sources):
            bits |= characters.members(source).astype(np.int32) << index
        self._bits = characters.CodePointTable(bits)

    # AutoGraph cannot read ``match`` statements, and has nothing to convert here.
    @tf.autograph.experimental.do_not_convert  # type: ignore[untyped-decorator]
    def __call__(self, code_points: tf.RaggedTensor) -> Pieces:
        """Divide each text: ``[n, chars]``, int32. Adjacent matches are separate pieces."""
        ends = tf.fill([code_points.nrows(), 1], _END)
        codes = tf.concat([code_points, ends], 1)
        places = _Places(codes.values, self._bits, self._sources)
        match_ends = places.match(self._tree, None)
        hit = match_ends >= 0
        inside = codes.values >= 0
        next_place = tf.where(hit, match_ends, places.index + tf.cast(inside, tf.int32))
        reached = _reachable(next_place, inside, tf.cast(codes.row_starts(), tf.int32))
        gap = reached & ~hit
        starts = reached & ~(gap & ragged.previous(gap, False))
        starts = tf.boolean_mask(starts, inside)
        piece = tf.cumsum(tf.cast(starts, tf.int32)) - 1
        matched = tf.gather(tf.boolean_mask(tf.boolean_mask(hit, inside), starts), piece)
        return Pieces(starts, matched)


def _matches_single_character(patterns: list[str]) -> bool:
    """Return whether a single character matches one of these patterns of two characters."""
    from tokenizers import Regex
    from tokenizers.normalizers import Replace

    remove = Replace(Regex("|".join(patterns)), "")
    # The separators prevent a match of two neighbours.
    texts = map("~".join, characters.blocks())
    return any(remove.normalize_str(text) != text for text in texts)


def _reachable(next_place: tf.Tensor, inside: tf.Tensor, roots: tf.Tensor) -> tf.Tensor:
    """Mark the places that the search passes, in steps that double in length.

    Args:
        next_place: ``[places]``, int32: the place after each place. The end of a text follows
            itself.
        inside: ``[places]``, bool: False at the end of a text.
        roots: ``[n]``, int32: the first place of each text.

    Returns:
        ``[places]``, bool: True for the roots and the places after them, False at the ends.
    """
    roots = tf.boolean_mask(roots, tf.gather(inside, roots))

    def step(reached: tf.Tensor, jump: tf.Tensor, _: tf.Tensor) -> tuple[tf.Tensor, ...]:
        targets = tf.gather(jump, reached)
        targets = tf.boolean_mask(targets, tf.gather(inside, targets))
        reached = tf.concat([reached, targets], 0)
        jump = tf.gather(jump, jump)
        return reached, jump, tf.reduce_any(tf.gather(inside, tf.gather(jump, roots)))

    # After k steps, `reached` has all places less than 2^k steps from a root, and `jump` takes 2^k
    # steps at once.
    unfinished = tf.reduce_any(tf.gather(inside, tf.gather(next_place, roots)))
    vector = tf.TensorShape([None])
    reached, _, _ = tf.while_loop(
        lambda reached, jump, unfinished: unfinished,
        step,
        (roots, next_place, unfinished),
        shape_invariants=(vector, vector, tf.TensorShape([])),
    )
    return tf.scatter_nd(reached[:, None], tf.ones_like(reached, tf.bool), tf.shape(next_place))


class _Places:
    """All places of all texts, ``[places]``, and the ends of the matches that begin there.

    Ends are int32; -1 means no match. A ``rest`` of None is the empty pattern.
    """

    def __init__(
        self, codes: tf.Tensor, bits: characters.CodePointTable, sources: list[str]
    ) -> None:
        self.codes = codes
        self.index = tf.range(tf.size(codes))
        self.none = tf.fill(tf.shape(codes), -1)
        flags = tf.where(codes >= 0, bits(tf.maximum(codes, 0)), 0)
        self.members = {
            source: tf.bitwise.bitwise_and(flags, 1 << number) != 0
            for number, source in enumerate(sources)
        }
        self.run_ends: dict[Node, tf.Tensor] = {}

    def match(self, node: Node, rest: Any) -> tf.Tensor:
        """Return the end of the match of the node followed by the rest, at each place."""
        match node:
            case Literal() | CharacterClass():
                rest = self.index if rest is None else rest
                return tf.where(self.member(node), tf.roll(rest, -1, 0), self.none)
            case Concatenation(items):
                for item in reversed(items):
                    rest = self.match(item, rest)
                return self.index if rest is None else rest
            case Alternatives(options):
                return self.first([self.match(option, rest) for option in options])
            case Ahead(item, negative):
                rest = self.index if rest is None else rest
                return tf.where((self.match(item, None) >= 0) != negative, rest, self.none)
            case Repeat(item, low, high, True):
                end = self.match(Repeat(item, low, high, False), None)
                if rest is None:
                    return end
                return tf.where(end >= 0, tf.gather(rest, tf.maximum(end, 0)), self.none)
            case Repeat(item, low, high):
                if isinstance(item, Literal | CharacterClass) and (low, high) != (0, 1):
                    return self.run(item, low, high, rest)
                assert high is not None
                result = rest
                for _ in range(high - low):
                    more = self.match(item, result)
                    result = self.first([more, self.index if rest is None else rest])
                for _ in range(low):
                    result = self.match(item, result)
                return result

    def first(self, options: list[tf.Tensor]) -> tf.Tensor:
        """Return the end of the first option that matches, at each place."""
        *others, result = options
        for option in reversed(others):
            result = tf.where(option >= 0, option, result)
        return result

    def member(self, node: Literal | CharacterClass) -> tf.Tensor:
        """Mark the places whose character matches the node: ``[places]``, bool."""
        if isinstance(node, Literal):
            return self.codes == node.code_point
        return self.members[node.source]

    def run(
        self, item: Literal | CharacterClass, low: int, high: int | None, rest: Any
    ) -> tf.Tensor:
        """Match as many characters as possible, then backtrack to a place where the rest matches.

        Args:
            item: the character or the class to repeat.
            low: the smallest number of characters.
            high: the largest number of characters; None means no limit.
            rest: ``[places]``, int32, or None.

        Returns:
            ``[places]``, int32.
        """
        if item not in self.run_ends:
            outside = ~self.member(item)
            before = tf.cumsum(tf.cast(outside, tf.int32), exclusive=True)
            self.run_ends[item] = tf.gather(tf.where(outside)[:, 0], before)
        end = tf.cast(self.run_ends[item], tf.int32)
        if high is not None:
            end = tf.minimum(end, self.index + high)
        if rest is None:
            return tf.where(end >= self.index + low, end, self.none)
        # The last place up to `end` where the rest matches.
        places = tf.concat([[-1], tf.cast(tf.where(rest >= 0)[:, 0], tf.int32)], 0)
        last = tf.gather(places, tf.gather(tf.cumsum(tf.cast(rest >= 0, tf.int32)), end))
        matches = last >= self.index + low
        return tf.where(matches, tf.gather(rest, tf.maximum(last, 0)), self.none)
