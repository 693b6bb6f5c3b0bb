"""Heads: the tasks that models are trained for, one file per task.

A head knows everything that depends on its task: the transformers class, the model's outputs, how
outputs become scores and results, the arrays on which two implementations are compared, and the
columns of a table of results. All other code asks the head.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from diglot.errors import InputError
from diglot.heads.head import Head, Stage, Task, stage_arrays
from diglot.heads.scores import function_named, scores
from diglot.heads.sequence_classification import SequenceClassification

SEQUENCE_CLASSIFICATION: Head = SequenceClassification()

HEADS: Mapping[str, Head] = MappingProxyType(
    {name: head for head in (SEQUENCE_CLASSIFICATION,) for name in (*head.aliases, head.task)}
)
"""The heads by task and by each other name of the task."""


def find(task: str) -> Head:
    """The head of a task.

    Raises:
        InputError: diglot has no such head.
    """
    if task not in HEADS:
        raise InputError(
            f"the task {task!r} is not one of diglot's; the tasks are {', '.join(map(repr, HEADS))}"
        )
    return HEADS[task]


__all__ = [
    "HEADS",
    "SEQUENCE_CLASSIFICATION",
    "Head",
    "Stage",
    "Task",
    "find",
    "function_named",
    "scores",
    "stage_arrays",
]
