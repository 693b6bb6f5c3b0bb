"""Looks up many strings at many places at once.

The trie over code points is a double array: a node and a character determine one slot, and the slot
names the node whose child it holds. One step of any number of walks is therefore a fixed number of
gathers, and a place where no string begins costs as much as any other place.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from diglot.tokenization.characters import CODE_POINTS, CodePointTable

# Slots of the root and of the end of each walk.
_ROOT = 0
_DEAD = 1
_RESERVED = 2
# Candidate places for the children of a node that are tried at once.
_WINDOW = 512


class Trie(tf.Module):  # type: ignore[misc]  # TensorFlow is untyped
    """A number for each string.

    Attributes:
        depth: the number of characters of the longest string.
    """

    def __init__(self, numbers: Mapping[str, int]) -> None:
        """Build the trie.

        Args:
            numbers: the number of each string. No string is empty, no number negative.
        """
        super().__init__()
        # Common characters have low classes, so that most children of a node are close together.
        counts = Counter(character for string in numbers for character in string)
        alphabet = {
            character: number for number, (character, _) in enumerate(counts.most_common(), start=1)
        }
        classes = np.zeros(CODE_POINTS, np.int32)
        for character, number in alphabet.items():
            classes[ord(character)] = number
        base, owner, value = _double_array(numbers, alphabet)
        self.depth: int = max(map(len, numbers), default=0)
        self._classes = CodePointTable(classes)
        with tf.init_scope():
            self._base = tf.constant(base)
            self._owner = tf.constant(owner)
            self._value = tf.constant(value)

    def matches(self, code_points: tf.Tensor, remaining: tf.Tensor) -> tf.Tensor:
        """Find every string at every place.

        Args:
            code_points: ``[chars]``, int32, at least one.
            remaining: ``[chars]``, int32: the largest length of a string that starts here.

        Returns:
            ``[lengths, chars]``, int32: row ``i`` has the number of the string of ``i + 1``
            characters that *ends* with a character, or -1. The number of rows is the length of the
            longest walk, at least 1.
        """
        classes = self._classes(code_points)
        rows = tf.TensorArray(tf.int32, 1, dynamic_size=True, element_shape=code_points.shape)

        def alive(length: tf.Tensor, nodes: tf.Tensor, _: tf.TensorArray) -> tf.Tensor:
            return (length == 0) | ((length < self.depth) & tf.reduce_any(nodes != _DEAD))

        def step(
            length: tf.Tensor, nodes: tf.Tensor, rows: tf.TensorArray
        ) -> tuple[tf.Tensor, tf.Tensor, tf.TensorArray]:
            # `remaining` masks the characters that are rolled in from the other end.
            character = tf.where(remaining > length, tf.roll(classes, -length, 0), 0)
            slots = tf.gather(self._base, nodes) + character
            nodes = tf.where(tf.gather(self._owner, slots) == nodes, slots, _DEAD)
            at_end = tf.roll(tf.gather(self._value, nodes), length, 0)
            return length + 1, nodes, rows.write(length, at_end)

        start = (tf.constant(0), tf.fill(tf.shape(code_points), _ROOT), rows)
        return tf.while_loop(alive, step, start)[2].stack()

    def longest(
        self, code_points: tf.Tensor, places: tf.Tensor, limits: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Find the longest string that starts at each of the given places.

        Args:
            code_points: ``[chars]``, int32.
            places: ``[n]``, int32.
            limits: ``[n]``, int32: the string must end before this place.

        Returns:
            The lengths of the strings in characters, and their numbers: ``[n]`` each, int32; 0 and
            -1 if no string starts there.
        """
        classes = self._classes(code_points)

        def alive(length: tf.Tensor, active: tf.Tensor, *_: tf.Tensor) -> tf.Tensor:
            return tf.size(active) > 0

        def step(
            length: tf.Tensor,
            active: tf.Tensor,
            nodes: tf.Tensor,
            lengths: tf.Tensor,
            numbers: tf.Tensor,
        ) -> tuple[tf.Tensor, ...]:
            character = tf.gather(classes, tf.gather(places, active) + length)
            slots = tf.gather(self._base, nodes) + character
            child = tf.gather(self._owner, slots) == nodes
            active, nodes = tf.boolean_mask(active, child), tf.boolean_mask(slots, child)
            length += 1
            value = tf.gather(self._value, nodes)
            ended = tf.reshape(tf.boolean_mask(active, value >= 0), [-1, 1])
            lengths = tf.tensor_scatter_nd_update(
                lengths, ended, tf.fill(tf.shape(ended)[:1], length)
            )
            numbers = tf.tensor_scatter_nd_update(
                numbers, ended, tf.boolean_mask(value, value >= 0)
            )
            goes_on = tf.gather(places, active) + length < tf.gather(limits, active)
            return (
                length,
                tf.boolean_mask(active, goes_on),
                tf.boolean_mask(nodes, goes_on),
                lengths,
                numbers,
            )

        active = tf.cast(tf.where(places < limits)[:, 0], tf.int32)
        state = (
            tf.constant(0),
            active,
            tf.fill(tf.shape(active), _ROOT),
            tf.zeros_like(places),
            tf.fill(tf.shape(places), -1),
        )
        vector = tf.TensorShape([None])
        shapes = (tf.TensorShape([]), vector, vector, vector, vector)
        *_, lengths, numbers = tf.while_loop(alive, step, state, shape_invariants=shapes)
        return lengths, numbers


def _double_array(
    numbers: Mapping[str, int], alphabet: Mapping[str, int]
) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.int32]]:
    """Lay out the trie.

    A node is identified by its slot. The child of ``node`` by a character of class ``c`` is in slot
    ``base[node] + c`` if the owner of that slot is ``node``. No node has a child of class 0.

    Args:
        numbers: the number of each string.
        alphabet: the class of each character, from 1.

    Returns:
        The base, the owner and the number of each slot, or -1 if no string ends there.
    """
    children: list[dict[int, int]] = [{}]
    ends: dict[int, int] = {}
    for string, number in numbers.items():
        node = 0
        for character in string:
            node = children[node].setdefault(alphabet[character], len(children))
            if node == len(children):
                children.append({})
        ends[node] = number

    widest = len(alphabet)
    base = np.full(len(children), widest, np.int64)
    free = np.ones(2 * len(children) + 2 * widest + _WINDOW + _RESERVED, np.bool_)
    free[:_RESERVED] = False
    # Place the nodes with the most children first, while there is room. Slots never become free
    # again, so the search for a node starts where the last node with as many children was placed.
    hints: dict[int, int] = {}
    branching = sorted(
        (node for node, below in enumerate(children) if len(below) > 1),
        key=lambda node: -len(children[node]),
    )
    for node in branching:
        classes = np.sort(np.fromiter(children[node], np.int64))
        start = hints.get(len(classes), 0)
        while True:
            if start + _WINDOW + widest >= len(free):
                free = np.concatenate([free, np.ones(len(free), np.bool_)])
            places = start + np.flatnonzero(free[start + classes[0] : start + classes[0] + _WINDOW])
            fits = free[places[:, None] + classes].all(axis=1)
            if fits.any():
                break
            start += _WINDOW
        base[node] = places[np.argmax(fits)]
        free[base[node] + classes] = False
        hints[len(classes)] = int(base[node])
    # An only child fits into any free slot. From slot `widest` on, the base is not negative.
    single = [node for node, below in enumerate(children) if len(below) == 1]
    classes = np.fromiter((next(iter(children[node])) for node in single), np.int64, len(single))
    missing = len(single) - int(free[widest:].sum())
    free = np.concatenate([free, np.ones(max(missing, 0), np.bool_)])
    slots = widest + np.flatnonzero(free[widest:])[: len(single)]
    base[single] = slots - classes

    slot_of = np.zeros(len(children), np.int64)
    for node, below in enumerate(children):
        for label, child in below.items():
            slot_of[child] = base[node] + label
    size = int(max(base.max(), slot_of.max(), _DEAD)) + widest + 1
    bases = np.zeros(size, np.int32)
    owners = np.full(size, -1, np.int32)
    values = np.full(size, -1, np.int32)
    bases[slot_of] = base
    for node, below in enumerate(children):
        for child in below.values():
            owners[slot_of[child]] = slot_of[node]
    for node, number in ends.items():
        values[slot_of[node]] = number
    return bases, owners, values
