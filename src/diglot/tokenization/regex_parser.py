r"""Parses regular expressions of tokenizers, in a subset of Oniguruma's syntax, to trees.

``parse`` accepts literals, classes (``\s``, ``\p{L}``, ``[^\r\n]``), groups, ``(?i:...)`` around
ASCII, alternatives, look-ahead, and greedy and possessive quantifiers. It refuses everything else,
so that a tree has exactly the meaning of its pattern. The tree stores the source of each class; the
library decides which characters belong to it.
"""

from __future__ import annotations

import itertools
import re
from dataclasses import dataclass
from typing import Final

from diglot.errors import TokenizerNotSupportedError
from diglot.tokenization.components import REMEDY

LONGEST: Final = 32
"""The largest number of copies of a group that a quantifier is unrolled to."""

_FOLDED: Final = "(?i:"
_QUANTIFIER: Final = re.compile(r"[?*+]|\{(\d+)(,?)(\d*)\}")
_ESCAPES: Final = {"r": "\r", "n": "\n", "t": "\t", "f": "\f", "v": "\v"}
_CLASSES: Final = re.compile(r"\\[sSdDwW]|\\[pP]\{\^?\w+\}")


@dataclass(frozen=True)
class Literal:
    """One character."""

    code_point: int


@dataclass(frozen=True)
class CharacterClass:
    """One character of a class, whose source the library understands."""

    source: str


@dataclass(frozen=True)
class Concatenation:
    """Items in a row; an empty concatenation matches the empty string."""

    items: tuple[Node, ...]


@dataclass(frozen=True)
class Alternatives:
    """The first option with which the rest of the pattern matches."""

    options: tuple[Node, ...]


@dataclass(frozen=True)
class Repeat:
    """As many copies of an item as possible, from ``low`` to ``high`` (None: no limit).

    A greedy quantifier backtracks to fewer copies if the rest of the pattern does not match. A
    possessive quantifier does not backtrack.
    """

    item: Node
    low: int
    high: int | None
    possessive: bool


@dataclass(frozen=True)
class Ahead:
    """The empty string, before a match of the item or, if ``negative``, elsewhere."""

    item: Node
    negative: bool


Node = Literal | CharacterClass | Concatenation | Alternatives | Repeat | Ahead


def literal(text: str) -> Node:
    """Return the tree that matches exactly ``text``."""
    return Concatenation(tuple(Literal(ord(character)) for character in text))


def parse(pattern: str, component: str) -> Node:
    """Parse a pattern.

    Args:
        pattern: in Oniguruma's syntax, as in ``tokenizer.json``.
        component: the section of the file that has the pattern, for error messages.

    Raises:
        TokenizerNotSupportedError: the pattern has unsupported syntax, or it can match the empty
            string.
    """
    parser = _Parser(pattern, component)
    tree = parser.alternatives()
    if parser.rest:
        raise parser.refusal(f"the syntax at {parser.rest[:12]!r} is not supported")
    if shortest(tree) == 0:
        raise parser.refusal("it can match an empty string")
    return tree


def shortest(node: Node) -> int:
    """Return the smallest number of characters of a match."""
    match node:
        case Literal() | CharacterClass():
            return 1
        case Concatenation(items):
            return sum(map(shortest, items))
        case Alternatives(options):
            return min(map(shortest, options))
        case Repeat(item, low):
            return low * shortest(item)
        case Ahead():
            return 0


def class_sources(node: Node) -> set[str]:
    """Return the sources of all classes of a tree."""
    match node:
        case Literal():
            return set()
        case CharacterClass(source):
            return {source}
        case Concatenation(items) | Alternatives(items):
            return set().union(*map(class_sources, items))
        case Repeat(item) | Ahead(item):
            return class_sources(item)


def folded_pairs(node: Node) -> set[str]:
    """Return the patterns of all pairs of adjacent letters that are matched regardless of case.

    A single character can fold to the same string as two letters, such as "ß" and "ss".
    """
    match node:
        case Concatenation(items):
            letters = [
                item.source.removeprefix(_FOLDED)[:-1]
                if isinstance(item, CharacterClass) and item.source.startswith(_FOLDED)
                else ""
                for item in items
            ]
            pairs = {f"{_FOLDED}{a}{b})" for a, b in itertools.pairwise(letters) if a and b}
            return pairs.union(*map(folded_pairs, items))
        case Alternatives(options):
            return set().union(*map(folded_pairs, options))
        case Repeat(item) | Ahead(item):
            return folded_pairs(item)
        case _:
            return set()


class _Parser:
    """Parses ``rest``. Each method removes the part that it has parsed."""

    def __init__(self, pattern: str, component: str) -> None:
        self.rest = pattern
        self.component = component
        self.ignores_case = False

    def refusal(self, reason: str) -> TokenizerNotSupportedError:
        return TokenizerNotSupportedError(self.component, reason, REMEDY)

    def take(self, *prefixes: str) -> str:
        """Remove the first of these prefixes that matches; return it, or an empty string."""
        for prefix in prefixes:
            if self.rest.startswith(prefix):
                self.rest = self.rest.removeprefix(prefix)
                return prefix
        return ""

    def alternatives(self) -> Node:
        options = [self.concatenation()]
        while self.take("|"):
            options.append(self.concatenation())
        return options[0] if len(options) == 1 else Alternatives(tuple(options))

    def concatenation(self) -> Node:
        items = []
        while self.rest and self.rest[0] not in "|)":
            items.append(self.repeated(self.atom()))
        return items[0] if len(items) == 1 else Concatenation(tuple(items))

    def repeated(self, item: Node) -> Node:
        quantifier = _QUANTIFIER.match(self.rest)
        if not quantifier:
            return item
        self.take(quantifier[0])
        possessive = False
        if quantifier[0] in "?*+":
            low, high = {"?": (0, 1), "*": (0, None), "+": (1, None)}[quantifier[0]]
            possessive = bool(self.take("+"))
        else:
            # In Oniguruma, a "+" after braces is another quantifier, not a possessive one.
            low = int(quantifier[1])
            high = int(quantifier[3]) if quantifier[3] else None if quantifier[2] else low
        if _QUANTIFIER.match(self.rest) or self.rest.startswith("{"):
            raise self.refusal(
                f"lazy or repeated quantifiers, as at {self.rest[:12]!r}, are not supported"
            )
        if isinstance(item, Ahead) or (high is not None and high < max(low, 1)):
            raise self.refusal(f"the quantifier {quantifier[0]!r} has no meaning there")
        if not isinstance(item, Literal | CharacterClass) and (high is None or high > LONGEST):
            raise self.refusal(
                f"the quantifier {quantifier[0]!r} is supported after single characters only"
            )
        # Oniguruma leaves a loop whose body matched the empty string, without trying other matches.
        if shortest(item) == 0:
            raise self.refusal(
                f"the quantifier {quantifier[0]!r} is not supported after an item that can match"
                " an empty string"
            )
        return Repeat(item, low, high, possessive)

    def atom(self) -> Node:
        if opening := self.take("(?:", _FOLDED, "(?!", "(?="):
            return self.group(opening)
        if self.rest.startswith("["):
            return self.bracketed()
        if self.rest.startswith("\\"):
            return self.escaped()
        if self.rest[0] == "(" and not self.rest.startswith("(?"):
            self.take("(")
            return self.group("(?:")
        if self.rest[0] in "()[]{}*+?^$.":
            raise self.refusal(f"the syntax at {self.rest[:12]!r} is not supported")
        character = self.rest[0]
        self.rest = self.rest[1:]
        return self.character(character)

    def group(self, opening: str) -> Node:
        outer = self.ignores_case
        self.ignores_case = outer or opening == _FOLDED
        inner = self.alternatives()
        self.ignores_case = outer
        if not self.take(")"):
            raise self.refusal("a group is not closed")
        return Ahead(inner, opening == "(?!") if opening in ("(?!", "(?=") else inner

    def character(self, character: str) -> Node:
        if not self.ignores_case:
            return Literal(ord(character))
        if not character.isascii():
            raise self.refusal(f"{character!r} regardless of case is not supported")
        if character.isalpha():
            return CharacterClass(f"{_FOLDED}{character})")
        return Literal(ord(character))

    def escaped(self) -> Node:
        if source := _CLASSES.match(self.rest):
            if self.ignores_case:
                raise self.refusal(f"{source[0]!r} regardless of case is not supported")
            return CharacterClass(self.take(source[0]))
        character = self.rest[1:2]
        special = character.isalnum() and character not in _ESCAPES
        if not character or special or not character.isascii():
            raise self.refusal(f"the escape {self.rest[:2]!r} is not supported")
        self.rest = self.rest[2:]
        return self.character(_ESCAPES.get(character, character))

    def bracketed(self) -> Node:
        depth, end = 0, 0
        while end < len(self.rest):
            if self.rest[end] == "\\":
                # Other escapes can denote several characters, or none.
                if not (
                    _CLASSES.match(self.rest, end)
                    or self.rest[end + 1 : end + 2] in _ESCAPES
                    or re.match(r"\\[!-/:-@\[-`{-~]", self.rest[end:])
                ):
                    raise self.refusal(f"the escape {self.rest[end : end + 2]!r} is not supported")
                end += 1
            elif self.rest[end] == "[":
                depth += 1
                if re.match(r"\[\^?\]", self.rest[end:]):
                    raise self.refusal("a bracket that begins with ']' is not supported")
            elif self.rest[end] == "]":
                depth -= 1
            end += 1
            if depth == 0:
                break
        else:
            raise self.refusal("a bracket is not closed")
        source = self.rest[:end]
        self.rest = self.rest[end:]
        if not self.ignores_case:
            return CharacterClass(source)
        if not re.fullmatch(r"\[[A-Za-z]+\]", source):
            raise self.refusal(f"{source!r} regardless of case is not supported")
        return CharacterClass(f"{_FOLDED}{source})")
