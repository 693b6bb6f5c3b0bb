"""The one tree of exceptions.

A message names the values received, says what happened and what was expected, and tells how to
mend it.
"""


class DiglotError(Exception):
    """The base of every error that diglot raises on purpose."""


class SettingsError(DiglotError):
    """A configuration value or key is not allowed; the message names its source."""


class InputError(DiglotError, ValueError):
    """An input, or an option of a call, cannot be used as it is.

    Attributes:
        index: the position of the bad input among several, where it is known.
    """

    def __init__(self, message: str, *, index: int | None = None) -> None:
        super().__init__(message)
        self.index = index


class BackendError(DiglotError):
    """A backend cannot be found, loaded or run."""


class UnknownBackendError(BackendError):
    """No installed package provides a backend of that name."""


class BackendNotInstalledError(BackendError, ImportError):
    """The backend is known, but a framework that it needs is not installed."""


class ServingError(BackendError):
    """A server cannot be reached, has no such model, or cannot answer."""


class CheckpointError(DiglotError):
    """A checkpoint cannot be found, read or used."""


class CheckpointNotFoundError(CheckpointError):
    """There is no such directory, hub id or revision."""


class HubUnreachableError(CheckpointError):
    """The checkpoint is not in the local cache and the hub cannot be asked."""


class MissingConfigError(CheckpointError):
    """The checkpoint has no readable ``config.json``."""


class MissingTokenizerError(CheckpointError):
    """The checkpoint has no tokenizer that transformers can load."""


class UnsafeWeightsError(CheckpointError):
    """The weights exist only in a format that diglot does not read, such as a pickle."""


class CorruptWeightsError(CheckpointError):
    """A weights file is missing, truncated or damaged."""


class UnknownArchitectureError(CheckpointError):
    """transformers has no class of the wanted head for this checkpoint's architecture."""


class UntrainedHeadError(CheckpointError):
    """The checkpoint has no trained classification head."""


class MissingLabelsError(CheckpointError):
    """The checkpoint's configuration does not name every label of its head."""


class LoweringError(DiglotError):
    """A PyTorch program cannot be expressed in TensorFlow."""


class CaptureError(LoweringError):
    """``torch.export`` could not capture the module."""


class UnsupportedOperatorsError(LoweringError):
    """The captured program uses operators that have no lowering; the message lists them all."""


class TokenizationError(DiglotError):
    """A tokenizer cannot be compiled to TensorFlow operators."""


class TokenizerNotSupportedError(TokenizationError):
    """A component of ``tokenizer.json`` has no exact counterpart in TensorFlow.

    Attributes:
        component: the section of the file and the component's type, such as
            ``"pre_tokenizer Split"``.
    """

    def __init__(self, component: str, reason: str, remedy: str) -> None:
        super().__init__(f"{component} is not supported: {reason}; {remedy}")
        self.component = component


class ExportError(DiglotError):
    """A SavedModel cannot be written, found or read."""


class ExportRefusedError(ExportError):
    """The exported version does not answer like its checkpoint, and was not published."""


class LedgerError(DiglotError):
    """A ledger cannot be read, or has no entry for an input."""
