"""The inputs that two sides are asked about, and their form on disk."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from diglot.errors import InputError
from diglot.inputs import Text

Encoding = Mapping[str, NDArray[np.integer[Any]]]


@dataclass(frozen=True, eq=False)
class Case:
    """One input: a batch of texts, or a batch that is encoded already.

    Attributes:
        origin: where it comes from, such as ``"drawn texts"`` or ``"fully masked rows"``.
        texts: the texts; none where there is an encoding.
        pairs: their second texts, one for each; ``None`` where the texts stand alone.
        encoding: the model's inputs by name, each ``[batch, tokens]``; ``None`` for texts.
    """

    origin: str
    texts: tuple[str, ...] = ()
    pairs: tuple[str, ...] | None = None
    encoding: Encoding | None = None

    def __post_init__(self) -> None:
        if bool(self.texts) == (self.encoding is not None):
            raise InputError("a case is made of texts, one at least, or of an encoding")
        if self.pairs is not None and len(self.pairs) != len(self.texts):
            raise InputError(f"{len(self.texts)} texts cannot have {len(self.pairs)} second ones")

    @property
    def rows(self) -> int:
        """How many texts it holds."""
        return len(self.texts) if self.encoding is None else len(self.encoding["input_ids"])

    def read(self) -> list[Text]:
        """The texts, each with its second one."""
        seconds = [None] * len(self.texts) if self.pairs is None else self.pairs
        return [Text(*both) for both in zip(self.texts, seconds, strict=True)]

    def row(self, index: int) -> Self:
        """One of its rows as a case of its own."""
        some = slice(index, index + 1)
        return type(self)(
            self.origin,
            self.texts[some],
            None if self.pairs is None else self.pairs[some],
            None
            if self.encoding is None
            else {name: value[some] for name, value in self.encoding.items()},
        )

    def facts(self) -> dict[str, Any]:
        """The case as JSON has it."""
        if self.encoding is not None:
            arrays = {name: value.tolist() for name, value in self.encoding.items()}
            return {"origin": self.origin, "encoding": arrays}
        pairs = {} if self.pairs is None else {"pairs": list(self.pairs)}
        return {"origin": self.origin, "texts": list(self.texts), **pairs}

    @classmethod
    def from_facts(cls, facts: Any) -> Self:
        """The case that :meth:`facts` describes.

        Raises:
            InputError: they do not describe one.
        """
        try:
            texts, pairs = tuple(facts.get("texts", ())), facts.get("pairs")
            encoding = facts.get("encoding")
            arrays = encoding and {
                name: np.array(value, np.int64) for name, value in encoding.items()
            }
            strings = [str(facts["origin"]), *texts, *(pairs or ())]
            whole = {one.shape for one in (arrays or {}).values()}
            if not all(isinstance(one, str) for one in strings):
                raise TypeError("a text is not a string")
            if arrays is not None and (len(whole) != 1 or "input_ids" not in arrays):
                raise TypeError("an encoding needs input_ids, and the rest of the same shape")
            if any(len(shape) != 2 or 0 in shape for shape in whole):
                raise TypeError("an encoding must be [batch, tokens]")
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise InputError(f"this is not a case: {error}; it reads {facts!r:.200}") from error
        return cls(strings[0], texts, None if pairs is None else tuple(pairs), arrays)

    def __str__(self) -> str:
        if self.encoding is not None:
            return ", ".join(f"{name}={value.tolist()}" for name, value in self.encoding.items())
        shown = (
            self.texts if self.pairs is None else tuple(zip(self.texts, self.pairs, strict=True))
        )
        return ", ".join(map(repr, shown))
