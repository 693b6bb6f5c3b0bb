"""SentencePiece's precompiled character maps, which replace strings by other strings.

A map consists of the length of a trie in bytes, the trie, and the replacements, each followed by a
zero byte. The trie is a double array over the bytes of UTF-8 in the format of Darts-clone: units of
32 bits with a label, a flag for the end of a string, and the distance to the children, which is
applied by exclusive or.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

LONGEST_KEY: Final = 5
"""The number of bytes of the longest string that the library ever looks up as a whole."""

# Darts-clone stores equal subtrees once, so a walk through the trie can pass a unit several times.
# SentencePiece's own maps (nfkc, nmt_nfkc and their case-folded forms) have 0.3 nodes per unit
# within LONGEST_KEY bytes.
_NODES_PER_UNIT: Final = 16
# Nodes that are expanded at once, so that a wide level of the trie takes little memory.
_CHUNK: Final = 1024

_LEAF: Final = 1 << 8
_WIDE: Final = 1 << 9
_VALUE: Final = 1 << 31
_BLOCK: Final = 256
# Bytes that occur in UTF-8. The library stops at a zero.
_BYTES: Final = np.array([*range(1, 0xC0), *range(0xC2, 0xF5)], np.int64)


def read_charsmap(precompiled: bytes) -> dict[str, str]:
    """Read the replacements of all strings that are short enough for the library to look up.

    Args:
        precompiled: the map.

    Returns:
        The replacement of each string of at most ``LONGEST_KEY`` bytes.

    Raises:
        ValueError: the map is malformed, or the library would crash with it.
    """
    if len(precompiled) < 4:
        raise ValueError("it is too short")
    (size,) = struct.unpack_from("<I", precompiled)
    if not 4 <= size <= len(precompiled) - 4:
        raise ValueError("its trie is longer than the map")
    units = np.frombuffer(precompiled, "<u4", size // 4, 4).astype(np.int64)
    strings = precompiled[4 + size // 4 * 4 :]
    replacements: dict[str, str] = {}
    for key, slot in _keys(units):
        if slot >= len(units):
            raise ValueError("its trie has a node outside of the trie")
        start = int(units[slot]) & (_VALUE - 1)
        if start > len(strings):
            raise ValueError("its trie has a replacement outside of the map")
        end = strings.find(b"\0", start)
        value = strings[start : end if end >= 0 else None]
        # decode() raises a ValueError as well. The library compares single bytes, so it would match
        # a part of a character.
        replacements[key.decode()] = value.decode()
    return replacements


def write_charsmap(replacements: Mapping[str, str]) -> bytes:
    """Write a map. It is larger than Darts-clone would make it.

    Args:
        replacements: from strings that are not empty. No string contains U+0000.

    Returns:
        The map.

    Raises:
        ValueError: the map needs more units than the format can address.
    """
    root: dict[Any, Any] = {}
    strings = bytearray()
    for key, value in sorted(replacements.items()):
        node = root
        for byte in key.encode():
            node = node.setdefault(byte, {})
        node[0] = len(strings)
        strings += value.encode() + b"\0"
    # Each node with children gets a block for them. The first unit of the block is the value of the
    # node itself. The values of nodes without children fill the gaps of the blocks.
    units = [0] * _BLOCK
    values: list[tuple[int, int]] = []
    stack: list[tuple[dict[Any, Any], int]] = [(root, 0)]
    while stack:
        node, slot = stack.pop()
        labels = [label for label in node if label]
        if not labels:
            values.append((slot, node[0]))
            continue
        block = len(units)
        units += [0] * _BLOCK
        units[slot] |= _offset(slot ^ block)
        if 0 in node:
            units[slot] |= _LEAF
            units[block] = _VALUE | node[0]
        for label in labels:
            units[block + label] = label
            stack.append((node[label], block + label))
    free = (slot for slot, unit in enumerate(units) if not unit and slot % _BLOCK)
    for (slot, start), free_slot in zip(values, free, strict=False):
        units[slot] |= _offset(slot ^ free_slot) | _LEAF
        units[free_slot] = _VALUE | start
    return struct.pack(f"<{len(units) + 1}I", 4 * len(units), *units) + bytes(strings)


def _keys(units: NDArray[np.int64]) -> Iterator[tuple[bytes, int]]:
    """Walk through the trie, level by level.

    Yields:
        Each string of the trie with at most ``LONGEST_KEY`` bytes, and the slot of its value.
    """
    keys: list[bytes] = [b""]
    children = _children(units, np.zeros(1, np.int64))
    nodes = 0
    for _ in range(LONGEST_KEY):
        next_keys: list[bytes] = []
        next_slots: list[NDArray[np.int64]] = []
        for start in range(0, len(children), _CHUNK):
            slots = children[start : start + _CHUNK, None] ^ _BYTES
            if slots.max() >= len(units):
                raise ValueError("its trie has a node outside of the trie")
            labels = units[slots] & (_VALUE | 0xFF)
            parents, columns = np.nonzero(labels == _BYTES)
            nodes += len(parents)
            if nodes > _NODES_PER_UNIT * len(units):
                raise ValueError(
                    f"its trie of {len(units)} units has more than"
                    f" {_NODES_PER_UNIT * len(units)} nodes, so it leads back into itself"
                )
            next_keys += (
                keys[start + parent] + bytes([_BYTES[column]])
                for parent, column in zip(parents, columns, strict=True)
            )
            next_slots.append(slots[parents, columns])
        if not next_keys:
            return
        below = np.concatenate(next_slots)
        keys, children = next_keys, _children(units, below)
        for node in np.flatnonzero(units[below] & _LEAF):
            yield keys[node], int(children[node])


def _children(units: NDArray[np.int64], slots: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the base slot of the children of each node, before a label is applied."""
    nodes = units[slots]
    return slots ^ ((nodes >> 10) << ((nodes & _WIDE) >> 6))


def _offset(distance: int) -> int:
    if distance < 1 << 21:
        return distance << 10
    raise ValueError("there are too many replacements")
