"""The protocol of an export target, and the values that a target takes and returns."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal, NamedTuple, Protocol

from diglot.endpoints.model import Description

if TYPE_CHECKING:
    from pathlib import Path

    from transformers import PreTrainedModel

    from diglot.checkpoints import Checkpoint
    from diglot.endpoints.endpoint import Endpoint
    from diglot.tokenization import GraphTokenizer

Precision = Literal["float32", "bfloat16"]
Ids = Literal["int32", "int64"]
Level = Literal["ok", "note", "warning", "error"]

SERVING = "2.20"
"""The release of TF Serving that an examination assumes by default."""


@dataclass(frozen=True)
class Choices:
    """The options of an export.

    Attributes:
        precision: the dtype of the weights.
        pairs: whether each text has a second one, ``text_pair``.
        freeze: whether the weights become constants of the graph. Measurements showed no gain in
            speed, and a higher use of memory.
        xla: whether XLA compiles the program. A server then needs
            ``--xla_cpu_compilation_enabled``.
        ids: the dtype of the inputs of an encoding.
        seed: the random seed of the drawn texts.
    """

    precision: Precision = "float32"
    pairs: bool = False
    freeze: bool = False
    xla: bool = False
    ids: Ids = "int32"
    seed: int = 0


@dataclass(frozen=True)
class Source:
    """A checkpoint with its weights in memory, ready to be written.

    The writer and the proof share one source, so the weights are read from disk once. Neither
    changes the model.

    Attributes:
        name: the model's name on a server.
        checkpoint: the checkpoint.
        model: transformers' PyTorch model, in evaluation mode, in the chosen precision.
        tokenizer: the compiled tokenizer; ``None`` if the export takes encodings only.
    """

    name: str
    checkpoint: Checkpoint
    model: PreTrainedModel
    tokenizer: GraphTokenizer | None = None

    @property
    def description(self) -> Description:
        """The description that the export gives of itself."""
        return Description(self.checkpoint.task, self.checkpoint.max_tokens)


@dataclass(frozen=True)
class Finding:
    """The result of one check of a version.

    Attributes:
        level: ``"error"`` if a server will refuse the version or fail, ``"warning"`` if it may.
        what: the subject of the check.
        says: the result, and how to mend a problem.
    """

    level: Level
    what: str
    says: str


class Contents(NamedTuple):
    """The signatures and operators of a version.

    Attributes:
        signatures: the inputs and outputs of each signature, in one line.
        operators: the operators by the library that implements them.
    """

    signatures: Mapping[str, str]
    operators: Mapping[str, tuple[str, ...]]


class Target(Protocol):
    """One format that a checkpoint can be exported to. A target holds no state of an export."""

    name: ClassVar[str]
    """The name of the target, such as ``"saved_model"``."""

    program: ClassVar[str]
    """The file whose presence makes a folder a version of this target."""

    requires: ClassVar[tuple[str, ...]]
    """The modules that the target imports."""

    extra: ClassVar[str]
    """The extras of diglot that install them, with commas between them."""

    takes_text: ClassVar[bool]
    """Whether a signature may take strings, so that the tokenizer can be part of the export."""

    dynamic_shapes: ClassVar[bool]
    """Whether one program takes any number of rows and tokens."""

    def write(self, folder: Path, source: Source, choices: Choices) -> tuple[str, ...]:
        """Write a version.

        Args:
            folder: the version's folder; it does not exist yet.
            source: the checkpoint.
            choices: the options of the export.

        Returns:
            The names of the signatures.

        Raises:
            ExportError: the target cannot represent the model under these options.
            LoweringError: the model uses operators that have no lowering.
        """
        ...

    def open(self, folder: Path) -> Endpoint:
        """Load a version into this process. It must not import PyTorch or transformers.

        Raises:
            BackendError: the version cannot be loaded.
        """
        ...

    def replay_warmup(self, folder: Path, endpoint: Endpoint) -> int:
        """Send a version the requests that it brings for its own warmup; returns their number."""
        ...

    def publish(self, models: Path) -> None:
        """Update the files beside all models, after a version has appeared in its place.

        Args:
            models: the folder of all models.
        """
        ...

    def contents(self, folder: Path) -> Contents:
        """Read a version's signatures and operators without running it.

        Raises:
            ExportError: the version cannot be read.
        """
        ...

    def examine(self, folder: Path, *, serving: str) -> Iterator[Finding]:
        """Check a version without running it.

        Args:
            folder: the version's folder.
            serving: the release of the server that is to load it, such as ``"2.20"``.

        Raises:
            ExportError: the version cannot be read.
        """
        ...
