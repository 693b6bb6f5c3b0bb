"""The registry of backends, and what every backend owes its caller."""

import importlib.util
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from diglot import TextClassifier, backends, checkpoints
from diglot.backends import Backend
from diglot.backends.torch import TorchBackend
from diglot.errors import (
    BackendError,
    BackendNotInstalledError,
    InputError,
    UnknownBackendError,
)

BACKENDS = ["torch", "tensorflow"]

ENCODING = {
    "input_ids": np.array([[2, 5, 6, 3], [2, 7, 3, 0]]),
    "attention_mask": np.array([[1, 1, 1, 1], [1, 1, 1, 0]]),
    "token_type_ids": np.zeros((2, 4), np.int64),
}


@pytest.fixture
def absent(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """A function that makes modules look as if they were not installed."""
    find_spec = importlib.util.find_spec

    def hide(*modules: str) -> None:
        monkeypatch.setattr(
            importlib.util,
            "find_spec",
            lambda name, *rest: None if name in modules else find_spec(name, *rest),
        )

    return hide


@pytest.fixture
def registered(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    """A function that registers more backends, as if by packages."""

    def register(*names: str) -> None:
        points = list(backends.entry_points(group=backends.GROUP))
        points += [EntryPoint(name, "diglot.backends.torch:TorchBackend", "") for name in names]
        monkeypatch.setattr(backends, "entry_points", lambda group: points)
        backends._entry_points.cache_clear()

    yield register
    monkeypatch.undo()
    backends._entry_points.cache_clear()


def test_pytorch_is_chosen_before_tensorflow(absent: Callable[..., None]) -> None:
    assert backends.names() == ["torch", "tensorflow"]
    assert backends.installed() == ["torch", "tensorflow"]
    assert backends.automatic() == "torch"
    absent("tensorflow")
    assert backends.installed() == ["torch"]


def test_backends_of_other_packages_come_after_by_name(registered: Callable[..., None]) -> None:
    registered("zeta", "alpha")
    assert backends.names() == ["torch", "tensorflow", "alpha", "zeta"]


def test_an_unknown_backend_is_refused_with_the_known_ones() -> None:
    with pytest.raises(UnknownBackendError, match=r"no backend 'jax'.*torch, tensorflow"):
        backends.find("jax")


@pytest.mark.parametrize(
    ("modules", "message"),
    [
        (("keras",), r"'tensorflow' needs keras, which is not installed.*diglot\[tensorflow\]"),
        (("tensorflow", "keras"), r"needs tensorflow and keras, which are not installed"),
    ],
)
def test_a_missing_framework_is_named_with_its_extra(
    absent: Callable[..., None], modules: tuple[str, ...], message: str
) -> None:
    absent(*modules)
    with pytest.raises(BackendNotInstalledError, match=message):
        backends.require("tensorflow")


def test_without_any_framework_both_extras_are_named(absent: Callable[..., None]) -> None:
    absent("torch")
    with pytest.raises(BackendNotInstalledError, match=r"diglot\[torch\].*diglot\[tensorflow\]"):
        backends.automatic()


def run(code: str, *arguments: object, path: Path | None = None) -> str:
    """What a program of its own prints."""
    import os

    environment = os.environ | ({"PYTHONPATH": str(path)} if path else {})
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code), *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        env=environment,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_a_third_backend_comes_from_a_package_of_its_own(tiny: Path, tmp_path: Path) -> None:
    package = tmp_path / "site"
    facts = package / "counting-1.0.dist-info"
    facts.mkdir(parents=True)
    (facts / "METADATA").write_text("Metadata-Version: 2.1\nName: counting\nVersion: 1.0\n")
    (facts / "entry_points.txt").write_text("[diglot.backends]\ncounting = counting:Counting\n")
    # It says NEGATIVE of short texts and POSITIVE of long ones.
    (package / "counting.py").write_text(
        textwrap.dedent("""
            import numpy as np

            from diglot import heads
            from diglot.backends import Backend
            from diglot.types import Outputs


            class Counting(Backend):
                name = "counting"
                requires = ("numpy",)
                devices = ("abacus", "abacus:N")

                @classmethod
                def load(cls, checkpoint, *, precision, device):
                    assert device == "abacus:1"
                    return cls()

                def run(self, encoding, *, function=None, hidden_states=False):
                    tokens = encoding["attention_mask"].sum(1)
                    logits = np.stack([8.0 - tokens, tokens - 8.0], axis=1)
                    scores = {} if function is None else {"logits": heads.scores(logits, function)}
                    return Outputs({"logits": logits}, scores)
        """)
    )
    said = run(
        """
        import sys
        from diglot import TextClassifier, backends
        classifier = TextClassifier.from_pretrained(sys.argv[1], "counting", device="abacus:1")
        answers = classifier(["a b", "a b c d e f g h i"])
        print(backends.names(), classifier.backend, [answer["label"] for answer in answers])
        """,
        tiny,
        path=package,
    )
    assert said == "['torch', 'tensorflow', 'counting'] counting ['NEGATIVE', 'POSITIVE']"


def test_the_classes_of_the_backends_load_no_framework() -> None:
    said = run(
        """
        import sys
        from diglot import backends
        for name in backends.names():
            assert backends.find(name).name == name
        print([name for name in ("torch", "tensorflow", "keras") if name in sys.modules])
        """
    )
    assert said == "[]"


@pytest.fixture(scope="module", params=BACKENDS)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def backend(name: str, tiny: Path) -> Backend:
    return load(name, tiny)


def load(name: str, folder: Path, precision: Any = "float32", device: str = "cpu") -> Backend:
    found = checkpoints.find(folder)
    return backends.require(name).load(found, precision=precision, device=device)


def test_a_backend_gives_logits_and_on_request_each_layer(backend: Backend) -> None:
    outputs = backend.run(ENCODING)
    assert outputs.raw["logits"].shape == (2, 2)
    assert outputs.raw["logits"].dtype == np.float32
    assert outputs.hidden_states == ()
    layers = backend.run(ENCODING, hidden_states=True).hidden_states
    assert [layer.shape for layer in layers] == [(2, 4, 16)] * 3
    assert {layer.dtype for layer in layers} == {np.dtype(np.float32)}


def test_a_backend_takes_arrays_of_any_whole_number_and_layout(backend: Backend) -> None:
    expected = backend.run(ENCODING).raw["logits"]
    narrow = {key: np.asfortranarray(array.astype(np.int32)) for key, array in ENCODING.items()}
    narrow["input_ids"].flags.writeable = False
    np.testing.assert_array_equal(backend.run(narrow).raw["logits"], expected)


def test_scores_come_only_where_a_function_is_given(backend: Backend) -> None:
    assert backend.run(ENCODING).scores == {}


@pytest.mark.parametrize("function", ["none", "softmax", "sigmoid"])
def test_a_backend_turns_logits_into_scores(name: str, save_tiny: Any, function: Any) -> None:
    outputs = load(name, save_tiny(initializer_range=1.5)).run(ENCODING, function=function)
    logits, scores = outputs.raw["logits"].astype(np.float64), outputs.scores["logits"]
    powers = np.exp(logits)
    expected = {
        "none": logits,
        "softmax": powers / powers.sum(-1, keepdims=True),
        "sigmoid": powers / (1 + powers),
    }[function]
    assert np.ptp(logits) > 1
    assert scores.dtype == np.float32
    np.testing.assert_allclose(scores, expected, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize(
    ("precision", "dtype", "tolerance"),
    [
        ("float64", np.float64, 1e-5),
        ("float16", np.float32, 1e-2),
        ("bfloat16", np.float32, 1e-1),
    ],
)
def test_a_backend_computes_at_the_precision_asked_for(
    name: str, backend: Backend, save_tiny: Any, precision: str, dtype: Any, tolerance: float
) -> None:
    folder = save_tiny(initializer_range=0.3)
    expected = load(name, folder).run(ENCODING).raw["logits"]
    outputs = load(name, folder, precision).run(ENCODING, hidden_states=True)
    assert outputs.raw["logits"].dtype == outputs.hidden_states[0].dtype == dtype
    assert not np.array_equal(outputs.raw["logits"], expected)
    np.testing.assert_allclose(outputs.raw["logits"], expected, rtol=0, atol=tolerance)


@pytest.mark.parametrize("wrong", [-1, 32, 10**6])
def test_an_id_that_the_model_does_not_know_is_refused(backend: Backend, wrong: int) -> None:
    ids = ENCODING["input_ids"].copy()
    ids[1, 1] = wrong
    with pytest.raises(InputError, match=rf"input_ids .* {wrong}.*tokenizer"):
        backend.run(ENCODING | {"input_ids": ids})


def test_an_encoding_longer_than_the_positions_is_refused(backend: Backend) -> None:
    long = {key: np.ones((1, 25), np.int64) for key in ENCODING}
    with pytest.raises(InputError, match="25"):
        backend.run(long)


@pytest.mark.parametrize("device", ["cuda", "cuda:7", "mps"])
def test_a_device_that_is_not_there_is_refused(name: str, tiny: Path, device: str) -> None:
    with pytest.raises(BackendError, match=rf"device '{device}'"):
        load(name, tiny, device=device)


@pytest.fixture(scope="module")
def padless(save_tiny: Any) -> Path:
    """A decoder whose configuration names no padding."""
    folder: Path = save_tiny(
        "GPT2ForSequenceClassification", pad_token_id=None, bos_token_id=2, eos_token_id=3
    )
    return folder


def test_pytorchs_error_for_a_batch_without_a_pad_token_is_kept(name: str, padless: Path) -> None:
    backend = load(name, padless)
    one = {key: array[:1] for key, array in ENCODING.items() if key != "token_type_ids"}
    assert backend.run(one).raw["logits"].shape == (1, 2)
    two = {key: array[:, :3] for key, array in ENCODING.items() if key != "token_type_ids"}
    expected = "Cannot handle batch sizes > 1 if no padding token is defined."
    with pytest.raises(ValueError, match=expected) as caught:
        backend.run(two)
    assert isinstance(caught.value, InputError)


def test_gpus_are_taken_where_there_are_some(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    from diglot.backends.torch import _device

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert _device(None) == torch.device("cuda")
    assert _device("cuda:1") == torch.device("cuda:1")
    assert _device("cpu") == torch.device("cpu")
    with pytest.raises(BackendError, match="'cuda:2' was asked for, and PyTorch finds 2 GPUs here"):
        _device("cuda:2")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert _device(None) == torch.device("cpu")
    with pytest.raises(BackendError, match=r"finds no GPU that it can use here\. Use 'cpu'"):
        _device("cuda")
    with pytest.raises(BackendError, match=r"no device 'abacus' here.*Use 'cpu'"):
        _device("abacus")


@pytest.fixture
def in_torch(tiny: Path) -> TorchBackend:
    return TorchBackend.load(checkpoints.find(tiny), precision="float32", device="cpu")


def test_a_failure_of_pytorch_is_told_with_the_shapes(
    in_torch: TorchBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(**inputs: object) -> None:
        raise RuntimeError("out of memory")

    monkeypatch.setattr(in_torch.model, "forward", fail)
    with pytest.raises(BackendError, match=r"input_ids \[2, 4\].*out of memory") as caught:
        in_torch.run(ENCODING)
    assert isinstance(caught.value.__cause__, RuntimeError)


def test_ids_beyond_another_table_are_told_as_well(in_torch: TorchBackend) -> None:
    types = {"token_type_ids": np.full((2, 4), 9)}
    with pytest.raises(InputError, match="index out of range"):
        in_torch.run(ENCODING | types)


def test_a_model_without_a_list_of_layers_still_gives_logits(
    in_torch: TorchBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch
    from transformers.modeling_outputs import SequenceClassifierOutput as ModelOutput

    outputs = ModelOutput(logits=torch.zeros(2, 2))
    monkeypatch.setattr(in_torch.model, "forward", lambda **inputs: outputs)
    assert in_torch.run(ENCODING).raw["logits"].shape == (2, 2)
    with pytest.raises(BackendError, match="a BertForSequenceClassification gives no single list"):
        in_torch.run(ENCODING, hidden_states=True)


def test_ids_are_not_checked_where_there_is_no_table(
    in_torch: TorchBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    # CANINE hashes any code point into several tables.
    monkeypatch.setattr(in_torch.model, "get_input_embeddings", lambda: object())
    with pytest.raises(InputError, match="index out of range in self"):
        in_torch.run({"input_ids": np.array([[999]])})


def test_decoders_are_run_without_a_cache(padless: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    backend = load("torch", padless)
    assert isinstance(backend, TorchBackend)
    seen: dict[str, Any] = {}
    forward = backend.model.forward

    def watch(**inputs: Any) -> Any:
        seen.update(inputs)
        return forward(**inputs)

    monkeypatch.setattr(backend.model, "forward", watch)
    backend.run({"input_ids": np.array([[5, 6]])})
    assert seen["use_cache"] is False


def test_the_framework_is_a_line_in_a_file(tiny: Path, tmp_path: Path, name: str) -> None:
    (tmp_path / "diglot.toml").write_text(f'checkpoint = "{tiny}"\nbackend = "{name}"\n')
    classifier = TextClassifier.from_pretrained()
    assert classifier.backend == name
    assert classifier.name == str(tiny)
