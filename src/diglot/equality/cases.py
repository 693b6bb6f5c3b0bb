"""The inputs of a comparison, and their form on disk."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from diglot.errors import InputError
from diglot.inputs import Text

if TYPE_CHECKING:
    from diglot.types import Encoding

TEXTS, PAIRS, ENCODINGS = "texts", "pairs", "encodings"
"""The forms of an input."""


@dataclass(frozen=True, eq=False)
class Case:
    """One input: a batch of texts, or a batch that is already encoded.

    Attributes:
        origin: the kind of input, such as ``"drawn texts"`` or ``"fully masked rows"``.
        texts: the texts; empty if there is an encoding.
        pairs: the second text of each; ``None`` for single texts.
        encoding: the model's inputs by name, each ``[batch, tokens]``; ``None`` for texts.
    """

    origin: str
    texts: tuple[str, ...] = ()
    pairs: tuple[str, ...] | None = None
    encoding: Encoding | None = None

    def __post_init__(self) -> None:
        if bool(self.texts) == (self.encoding is not None):
            raise InputError("a case needs either at least one text or an encoding")
        if self.pairs is not None and len(self.pairs) != len(self.texts):
            raise InputError(
                f"a case of {len(self.texts)} texts has {len(self.pairs)} second texts; give one"
                " for each text"
            )

    @property
    def rows(self) -> int:
        """The number of texts in the batch."""
        return len(self.texts) if self.encoding is None else len(self.encoding["input_ids"])

    def read(self) -> list[Text]:
        """The texts, each with its second text."""
        seconds = [None] * len(self.texts) if self.pairs is None else self.pairs
        return [Text(*both) for both in zip(self.texts, seconds, strict=True)]

    def row(self, index: int) -> Self:
        """One row as a case of its own."""
        row = slice(index, index + 1)
        return type(self)(
            self.origin,
            self.texts[row],
            None if self.pairs is None else self.pairs[row],
            None
            if self.encoding is None
            else {name: values[row] for name, values in self.encoding.items()},
        )

    def facts(self) -> dict[str, Any]:
        """The case as a JSON object."""
        if self.encoding is not None:
            arrays = {name: values.tolist() for name, values in self.encoding.items()}
            return {"origin": self.origin, "encoding": arrays}
        pairs = {} if self.pairs is None else {"pairs": list(self.pairs)}
        return {"origin": self.origin, "texts": list(self.texts), **pairs}

    @classmethod
    def from_facts(cls, facts: Any) -> Self:
        """The case that :meth:`facts` describes.

        Raises:
            InputError: the object does not describe a case.
        """
        try:
            texts, pairs = tuple(facts.get("texts", ())), facts.get("pairs")
            encoding = facts.get("encoding")
            arrays = encoding and {
                name: np.array(values, np.int64) for name, values in encoding.items()
            }
            strings = [str(facts["origin"]), *texts, *(pairs or ())]
            shapes = {array.shape for array in (arrays or {}).values()}
            if not all(isinstance(string, str) for string in strings):
                raise TypeError("a text is not a string")
            if arrays is not None and (len(shapes) != 1 or "input_ids" not in arrays):
                raise TypeError("an encoding needs input_ids, and all arrays of the same shape")
            if any(len(shape) != 2 or 0 in shape for shape in shapes):
                raise TypeError("an encoding must be [batch, tokens]")
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise InputError(f"this is not a case: {error}; it reads {facts!r:.200}") from error
        return cls(strings[0], texts, None if pairs is None else tuple(pairs), arrays)

    def __str__(self) -> str:
        if self.encoding is not None:
            arrays = self.encoding.items()
            return ", ".join(f"{name}={values.tolist()}" for name, values in arrays)
        rows = self.texts if self.pairs is None else tuple(zip(self.texts, self.pairs, strict=True))
        return ", ".join(map(repr, rows))
