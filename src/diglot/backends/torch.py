"""The backend that runs transformers' own PyTorch model."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from diglot import extras
from diglot.backends.backend import Backend, Run
from diglot.checkpoints import torch_model
from diglot.errors import BackendError, InputError
from diglot.types import Outputs

if TYPE_CHECKING:
    import torch

    from diglot.checkpoints import Checkpoint
    from diglot.types import Array, Encoding, Precision, ScoreFunction


class TorchBackend(Backend):
    """A checkpoint in PyTorch.

    Attributes:
        model: transformers' PyTorch model, in evaluation mode.
        device: where it runs.
    """

    name = "torch"
    requires: ClassVar[tuple[str, ...]] = ("torch",)
    tensors: ClassVar[str] = "pt"
    devices: ClassVar[tuple[str, ...]] = ("cpu", "mps", "cuda", "cuda:N")
    thread_safe: ClassVar[bool] = True

    def __init__(
        self,
        model: torch.nn.Module,
        device: torch.device,
        *,
        outputs: tuple[str, ...] = ("logits",),
        max_tokens: int | None = None,
    ) -> None:
        """Run a model that is loaded already.

        Args:
            model: it is moved to the device.
            device: where to run it.
            outputs: the names of the model's outputs that make up an answer.
            max_tokens: the longest encoding that it takes; ``None`` without a limit.
        """
        self.model = model.to(device)
        self.device = device
        self._outputs = outputs
        self._max_tokens = max_tokens
        parameters = inspect.signature(model.forward).parameters
        # As in transformers' pipeline: a classification has no use for the cache.
        self._options = {"use_cache": False} if "use_cache" in parameters else {}

    @classmethod
    def load(cls, checkpoint: Checkpoint, *, precision: Precision, device: str | None) -> Self:
        """Read the checkpoint's weights; see :meth:`diglot.backends.Backend.load`.

        Args:
            checkpoint: the checkpoint.
            precision: the dtype of the parameters and of the arithmetic.
            device: ``None`` for a CUDA GPU if there is one, and the CPU otherwise.

        Raises:
            BackendError: there is no such device.
            CheckpointError: the checkpoint cannot be used.
        """
        place = _device(device)
        model = torch_model.load(checkpoint, precision=precision)
        outputs = checkpoint.head.outputs
        return cls(model, place, outputs=outputs, max_tokens=checkpoint.max_tokens)

    def run(
        self,
        encoding: Encoding,
        *,
        function: ScoreFunction | None = None,
        hidden_states: bool = False,
    ) -> Outputs:
        """Run the model; see :meth:`diglot.backends.Backend.run`.

        Raises:
            InputError: an id or a length is out of the model's range, or the batch needs padding
                and the model has no pad token.
            BackendError: PyTorch failed, for example because memory ran out.
        """
        import torch

        inputs = self._tensors(encoding)
        self._check(inputs["input_ids"])
        try:
            with torch.inference_mode():
                outputs = self.model(
                    **inputs,
                    **self._options,
                    output_hidden_states=hidden_states,
                    return_dict=True,
                )
        except (IndexError, ValueError) as error:
            raise InputError(
                f"PyTorch cannot run the model on {_described(inputs)}: {error}"
            ) from error
        except RuntimeError as error:
            raise BackendError(
                f"PyTorch failed on {self.device} with {_described(inputs)}: {error}"
            ) from error
        if hidden_states and getattr(outputs, "hidden_states", None) is None:
            raise BackendError(
                f"a {type(self.model).__name__} gives no single list of hidden states; only its"
                " outputs and scores are available"
            )
        return self._answer(outputs, function, hidden_states=hidden_states)

    def other_runs(self) -> Mapping[str, Run]:
        """The graph that ``torch.export`` records, which the other backends start from.

        The recording keeps each operator that has a lowering, so it needs TensorFlow.
        """
        if extras.missing("tensorflow"):
            return {}
        return {"captured as eager": self._run_captured}

    def _run_captured(
        self,
        encoding: Encoding,
        *,
        function: ScoreFunction | None = None,
        hidden_states: bool = False,
    ) -> Outputs:
        import torch

        from diglot.lowering import record

        inputs = self._tensors(encoding)
        with torch.inference_mode():
            captured = record.recorded(self.model, list(inputs)).module()
            outputs = captured(**inputs)
        return self._answer(outputs, function, hidden_states=hidden_states)

    def _answer(
        self, outputs: Any, function: ScoreFunction | None, *, hidden_states: bool
    ) -> Outputs:
        raw = {name: _wide(outputs[name]) for name in self._outputs}
        scores = {} if function is None else {n: _scored(x, function) for n, x in raw.items()}
        layers = outputs["hidden_states"] if hidden_states else ()
        return Outputs(
            {name: _numpy(value) for name, value in raw.items()},
            {name: _numpy(value) for name, value in scores.items()},
            tuple(_numpy(layer) for layer in layers),
        )

    def _tensors(self, encoding: Encoding) -> dict[str, torch.Tensor]:
        import torch

        return {
            name: torch.tensor(np.asarray(array), dtype=torch.int64, device=self.device)
            for name, array in encoding.items()
        }

    def _check(self, ids: torch.Tensor) -> None:
        """Check ids and length: the model's own errors are unclear, and fatal on a GPU."""
        if self._max_tokens is not None and ids.shape[-1] > self._max_tokens:
            raise InputError(
                f"the encoding is {ids.shape[-1]} tokens long, and the model takes"
                f" {self._max_tokens} at most; truncate it"
            )
        # CANINE has no table with a row for each id: it hashes characters.
        rows = getattr(self.model.get_input_embeddings(), "num_embeddings", None)
        lowest, highest = int(ids.min()), int(ids.max())
        if rows is not None and (lowest < 0 or highest >= rows):
            raise InputError(
                f"input_ids reach from {lowest} to {highest}, and the model knows the ids 0 to"
                f" {rows - 1}; use the checkpoint's own tokenizer"
            )


def _device(name: str | None) -> torch.device:
    import torch

    gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if name is None:
        return torch.device("cuda" if gpus else "cpu")
    try:
        device = torch.device(name)
        if device.type != "cuda":
            torch.empty(0, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise BackendError(
            f"PyTorch has no device {name!r} here: {error}. Use 'cpu', or leave the device out."
        ) from error
    if device.type == "cuda" and (device.index or 0) >= gpus:
        usable = f"{gpus} GPU{'s' if gpus > 1 else ''}" if gpus else "no GPU that it can use"
        raise BackendError(
            f"the device {name!r} was asked for, and PyTorch finds {usable} here. Use 'cpu', or"
            " leave the device out."
        )
    return device


def _wide(tensor: torch.Tensor) -> torch.Tensor:
    """In float32 at least: NumPy has no bfloat16, and half precision is too coarse for scores."""
    import torch

    return tensor if tensor.dtype == torch.float64 else tensor.float()


def _scored(values: torch.Tensor, function: ScoreFunction) -> torch.Tensor:
    if function == "softmax":
        return values.softmax(dim=-1)
    return values.sigmoid() if function == "sigmoid" else values


def _numpy(tensor: torch.Tensor) -> Array:
    array: Array = _wide(tensor.detach()).cpu().numpy()
    return array


def _described(inputs: Mapping[str, torch.Tensor]) -> str:
    return ", ".join(f"{name} {list(array.shape)}" for name, array in inputs.items())
