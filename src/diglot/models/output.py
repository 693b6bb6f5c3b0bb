"""The output of a model."""

from __future__ import annotations

from typing import Any


class ModelOutput(dict[str, Any]):
    """A model's tensors by attribute, by key and by index, like transformers' own outputs.

    ``outputs.logits``, ``outputs["logits"]`` and ``outputs[0]`` are the same tensor. A slice and
    :meth:`to_tuple` give tuples. A field that the model did not return is not a key; as an
    attribute it is ``None``.
    """

    _FIELDS = (
        "loss",
        "logits",
        "last_hidden_state",
        "pooler_output",
        "hidden_states",
        "attentions",
    )

    def __getitem__(self, key: str | int | slice) -> Any:
        return super().__getitem__(key) if isinstance(key, str) else self.to_tuple()[key]

    def __getattr__(self, name: str) -> Any:
        if name in self:
            return self[name]
        if name in self._FIELDS:
            return None
        raise AttributeError(
            f"{type(self).__name__} has {', '.join(self)}, but no {name!r}; use one of these"
        )

    def to_tuple(self) -> tuple[Any, ...]:
        """The tensors in the order of the fields."""
        return tuple(self.values())
