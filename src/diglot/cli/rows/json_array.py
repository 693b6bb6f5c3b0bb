"""A JSON array read element by element, however large it is."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, NamedTuple, TextIO

from diglot.errors import InputError

# The characters that are read at a time.
_CHUNK = 1 << 16

# A broken array looks like an element without an end. An element of this many characters counts
# as broken.
_LARGEST_ELEMENT = 1 << 26

# Characters that may continue a number, of which only the beginning was read.
_IN_NUMBERS = ".eE+-0123456789"

_SPACE = re.compile(r"[ \t\r\n]*")


class Element(NamedTuple):
    """An element: the line on which it begins, its value, and its JSON text."""

    line: int
    value: Any
    written: str


def elements(stream: TextIO, name: str) -> Iterator[Element]:
    """Read an array, with no more than one element in memory.

    Args:
        stream: a stream that holds the array, and nothing else.
        name: the name of the stream, for messages.

    Raises:
        InputError: the stream holds no valid array. The rest of it cannot be read.
    """
    scanner = _Scanner(stream)
    opening = scanner.peek()
    if opening != "[":
        beginning = f"begins with {opening!r}" if opening else "is empty"
        raise InputError(
            f"{name} {beginning}, and a JSON file must hold an array; if it holds a JSON value on"
            " each line, use --input-format jsonl"
        )
    scanner.skip()
    closed = scanner.peek() == "]"
    while not closed:
        scanner.peek()
        line = scanner.line
        try:
            value, written = scanner.value()
        except (ValueError, RecursionError) as error:
            raise InputError(
                f"{name}:{line}: the element that begins here is not valid JSON: {reason(error)}"
            ) from error
        yield Element(line, value, written)
        if (next_character := scanner.peek()) not in {",", "]"}:
            raise InputError(
                f"{name}:{scanner.line}: expected a comma or the array's end here, found"
                f" {repr(next_character) if next_character else 'the end of the file'}"
            )
        closed = next_character == "]"
        if not closed:
            scanner.skip()
    scanner.skip()
    if rest := scanner.peek():
        raise InputError(f"{name}:{scanner.line}: there is {rest!r} after the array's end")


def reason(error: Exception) -> str:
    """The reason for an error, without its position, which does not count from the file's start."""
    return error.msg if isinstance(error, json.JSONDecodeError) else str(error)


class _Scanner:
    """A window that moves forward over the stream."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._decoder = json.JSONDecoder()
        self._text = ""
        self._at = 0
        self.line = 1

    def peek(self) -> str:
        """Move to the next character that is not a space, and return it; empty at the end."""
        while True:
            match = _SPACE.match(self._text, self._at)
            assert match is not None
            self._advance(match.end())
            if self._at < len(self._text):
                return self._text[self._at]
            if not self._more():
                return ""

    def skip(self) -> None:
        """Move past the character that ``peek`` returned."""
        self._at += 1

    def value(self) -> tuple[Any, str]:
        """Move past a JSON value, and return it with its JSON text.

        Raises:
            ValueError: there is no JSON value here.
        """
        while True:
            failure = None
            try:
                value, end = self._decoder.raw_decode(self._text, self._at)
            except ValueError as error:
                failure = error
            else:
                length = end - self._at
                if self._text[end : end + 1] not in ("", *_IN_NUMBERS):
                    break
            if len(self._text) - self._at > _LARGEST_ELEMENT or not self._more():
                if failure is not None:
                    raise failure
                break
        written = self._text[self._at : self._at + length]
        self._advance(self._at + length)
        return value, written

    def _advance(self, end: int) -> None:
        self.line += self._text.count("\n", self._at, end)
        self._at = end

    def _more(self) -> bool:
        """Read as much again as there is, so that a long element is scanned only a few times."""
        left = self._text[self._at :]
        chunk = self._stream.read(max(_CHUNK, len(left)))
        self._text, self._at = left + chunk, 0
        return bool(chunk)
