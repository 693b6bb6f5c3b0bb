"""The tokenizers of checkpoints: transformers' own, with every kind of tensor."""

import copy
import json
import pickle
import sys

import numpy as np
import pytest
import tensorflow as tf
import tokenizers
import torch
import transformers

from diglot.checkpoints import Checkpoint, find
from diglot.errors import (
    BackendNotInstalledError,
    CheckpointNotFoundError,
    InputError,
    MissingTokenizerError,
)
from diglot.tokenizer import AutoTokenizer

TEXTS = ["I've been waiting for a HuggingFace course my whole life.", "I hate this so much!"]
FIRST = [101, 1045, 1005, 2310, 2042, 3403, 2005, 1037, 17662, 12172, 2607, 2026, 2878, 2166]
FIRST += [1012, 102]
SECOND = [101, 1045, 5223, 2023, 2061, 2172, 999, 102]
PAIRS = ["so much?", "a longer one, with more words than the other"]


@pytest.fixture(scope="module")
def tokenizer(minilm):
    return AutoTokenizer.from_pretrained(minilm)


@pytest.fixture(scope="module")
def library(minilm):
    return transformers.AutoTokenizer.from_pretrained(minilm, local_files_only=True)


@pytest.fixture(scope="module")
def byte_level(tmp_path_factory):
    """A byte-level BPE tokenizer like GPT-2's, which pads on the left."""
    core = tokenizers.Tokenizer(tokenizers.models.BPE())
    core.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    core.decoder = tokenizers.decoders.ByteLevel()
    trainer = tokenizers.trainers.BpeTrainer(
        vocab_size=400,
        special_tokens=["<|endoftext|>"],
        initial_alphabet=tokenizers.pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    core.train_from_iterator([*TEXTS, *PAIRS] * 5, trainer)
    folder = tmp_path_factory.mktemp("byte-level")
    transformers.GPT2Tokenizer(
        tokenizer_object=core, pad_token="<|endoftext|>", padding_side="left"
    ).save_pretrained(folder)
    return folder


def numbers(encoding):
    """Return the values of an encoding as lists, whatever kind of tensor they are."""
    return {key: np.asarray(value).tolist() for key, value in encoding.items()}


def test_the_worked_example(tokenizer):
    encoding = tokenizer(TEXTS, padding=True, truncation=True, return_tensors="tf")

    assert encoding["input_ids"].numpy().tolist() == [FIRST, SECOND + [0] * 8]
    assert encoding["attention_mask"].numpy().tolist() == [[1] * 16, [1] * 8 + [0] * 8]
    assert encoding["token_type_ids"].numpy().tolist() == [[0] * 16] * 2


@pytest.mark.parametrize("return_tensors", [None, "pt", "tf", "np"])
@pytest.mark.parametrize(
    "call",
    [
        {"text": TEXTS, "padding": True},
        {"text": TEXTS, "padding": "max_length", "max_length": 20, "truncation": True},
        {"text": TEXTS, "truncation": True, "max_length": 6},
        {"text": TEXTS, "padding": True, "padding_side": "left"},
        {"text": TEXTS, "text_pair": PAIRS, "padding": True},
        {"text": [TEXTS[0], ""], "padding": True, "pad_to_multiple_of": 8},
        {"text": [("one", "other")], "padding": True, "return_offsets_mapping": True},
        {"text": "a 😀 naïve text"},
        {"text": ""},
    ],
    ids=str,
)
def test_every_kind_of_tensor_has_the_values_of_transformers(
    tokenizer, library, call, return_tensors
):
    expected = library(**call, return_tensors="np" if return_tensors else None)

    encoding = tokenizer(**call, return_tensors=return_tensors)

    assert numbers(encoding) == numbers(expected)
    kinds = {None: list, "pt": torch.Tensor, "tf": tf.Tensor, "np": np.ndarray}
    assert all(isinstance(value, kinds[return_tensors]) for value in encoding.values())


def test_tensors_have_the_dtypes_of_transformers(tokenizer):
    assert tokenizer("one", return_tensors="tf")["input_ids"].dtype == tf.int32
    assert tokenizer("one", return_tensors="pt")["input_ids"].dtype == torch.int64
    assert tokenizer("one", return_tensors="np")["input_ids"].dtype == np.int64


def test_the_enumeration_of_transformers_is_accepted(tokenizer):
    encoding = tokenizer("one", return_tensors=transformers.TensorType.PYTORCH)

    assert isinstance(encoding["input_ids"], torch.Tensor)


def test_the_result_stays_a_batch_encoding(tokenizer, library):
    encoding = tokenizer(TEXTS, padding=True, return_tensors="tf")
    expected = library(TEXTS, padding=True)

    assert isinstance(encoding, transformers.BatchEncoding)
    assert encoding.input_ids is encoding["input_ids"]
    assert set(encoding) == {"input_ids", "token_type_ids", "attention_mask"}
    assert encoding.word_ids(1) == expected.word_ids(1)
    assert encoding.char_to_token(0, 5) == expected.char_to_token(0, 5) == 4
    assert encoding.tokens(1)[:3] == ["[CLS]", "i", "hate"]


@pytest.mark.parametrize("return_tensors", ["pt", "tf"])
def test_rows_of_different_lengths_are_refused(tokenizer, return_tensors):
    with pytest.raises(ValueError, match="padding=True"):
        tokenizer(TEXTS, return_tensors=return_tensors)


def test_the_error_of_tensorflow_names_the_lengths(tokenizer):
    with pytest.raises(InputError, match=r"'input_ids' have different lengths \(8, 16\)"):
        tokenizer(TEXTS, return_tensors="tf")


@pytest.mark.parametrize("method", ["__call__", "encode"])
def test_an_unknown_kind_of_tensor_is_refused(tokenizer, method):
    with pytest.raises(InputError, match="'jax' is unknown; pass one of 'pt', 'tf', 'np'"):
        getattr(tokenizer, method)("one", return_tensors="jax")


@pytest.mark.parametrize(("return_tensors", "module"), [("tf", "tensorflow"), ("pt", "torch")])
def test_a_framework_that_is_not_installed(tokenizer, monkeypatch, return_tensors, module):
    monkeypatch.setitem(sys.modules, module, None)

    with pytest.raises(BackendNotInstalledError) as raised:
        tokenizer("one", return_tensors=return_tensors)

    assert f"return_tensors='{return_tensors}' needs {module}, which" in str(raised.value)
    assert f"'diglot[{module}]'" in str(raised.value)


def test_lists_and_arrays_need_no_framework(tokenizer, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    monkeypatch.setitem(sys.modules, "tensorflow", None)

    assert tokenizer(TEXTS[1])["input_ids"] == SECOND
    assert tokenizer(TEXTS[1], return_tensors="np")["input_ids"].tolist() == [SECOND]


def test_encode(tokenizer):
    assert tokenizer.encode(TEXTS[1]) == SECOND
    ids = tokenizer.encode(TEXTS[1], return_tensors="tf")
    assert (ids.dtype, ids.shape) == (tf.int32, (1, 8))
    assert (
        ids.numpy().tolist() == tokenizer.encode(TEXTS[1], return_tensors="pt").tolist() == [SECOND]
    )


def test_pad(tokenizer, library):
    rows = [{"input_ids": FIRST}, {"input_ids": SECOND}]

    padded = tokenizer.pad(rows, return_tensors="tf")

    assert numbers(padded) == numbers(library.pad(rows, return_tensors="np"))
    assert padded["attention_mask"].dtype == tf.int32
    assert tokenizer.pad(rows)["input_ids"] == [FIRST, SECOND + [0] * 8]


def test_decode_accepts_tensorflow_tensors(tokenizer):
    ids = tokenizer(TEXTS, padding=True, return_tensors="tf")["input_ids"]

    assert tokenizer.decode(ids[1], skip_special_tokens=True) == "i hate this so much!"
    assert tokenizer.decode(FIRST[1:3]) == "i '"
    assert tokenizer.batch_decode(ids, skip_special_tokens=True)[1] == "i hate this so much!"


CHAT_TEMPLATE = (
    "{% for message in messages %}{{ message.role }} {% generation %}{{ message.content }}"
    "{% endgeneration %} {% endfor %}"
)
CHAT = [{"role": "user", "content": "hello there"}, {"role": "judge", "content": "hate"}]


@pytest.mark.parametrize("return_dict", [True, False])
def test_a_chat_template_gives_tensors(tokenizer, library, return_dict):
    options = {"chat_template": CHAT_TEMPLATE, "return_dict": return_dict}
    expected = library.apply_chat_template(CHAT, return_tensors="np", **options)

    encoding = tokenizer.apply_chat_template(CHAT, return_tensors="tf", **options)

    if not return_dict:
        expected, encoding = {"input_ids": expected}, {"input_ids": encoding}
    assert numbers(encoding) == numbers(expected)
    assert all(value.dtype == tf.int32 for value in encoding.values())


def test_chats_of_different_lengths_are_refused(tokenizer):
    options = {"chat_template": CHAT_TEMPLATE, "return_dict": False, "return_tensors": "tf"}

    with pytest.raises(InputError, match="the rows of 'input_ids' have different lengths"):
        tokenizer.apply_chat_template([CHAT, CHAT[1:]], **options)


def test_a_chat_template_marks_generated_tokens(tokenizer, library):
    options = {"chat_template": CHAT_TEMPLATE, "return_assistant_tokens_mask": True}

    encoding = tokenizer.apply_chat_template(CHAT, return_tensors="tf", **options)

    assert encoding["assistant_masks"].numpy().tolist() == [[0, 1, 1, 0, 1]]


def test_a_chat_template_gives_text(tokenizer):
    text = tokenizer.apply_chat_template(
        CHAT, chat_template=CHAT_TEMPLATE, tokenize=False, return_tensors="tf"
    )

    assert text == "user hello there judge hate "


def test_it_is_the_tokenizer_that_transformers_loads(tokenizer, library):
    assert isinstance(tokenizer, type(library))
    assert isinstance(tokenizer, transformers.PreTrainedTokenizerBase)
    for name in ("__name__", "__qualname__", "__module__", "__doc__"):
        assert getattr(type(tokenizer), name) == getattr(type(library), name)
    assert tokenizer.model_max_length == library.model_max_length == 512


def test_transformers_loads_what_it_saves(tokenizer, library, tmp_path):
    tokenizer.save_pretrained(tmp_path / "tokenizer")
    library.save_pretrained(tmp_path / "library")

    saved, saved_by_library = (
        {path.name: path.read_bytes() for path in sorted((tmp_path / folder).iterdir())}
        for folder in ("tokenizer", "library")
    )
    assert saved == saved_by_library
    again = transformers.AutoTokenizer.from_pretrained(
        tmp_path / "tokenizer", local_files_only=True
    )
    assert type(again) is type(library)
    assert again(TEXTS)["input_ids"] == [FIRST, SECOND]


@pytest.mark.parametrize(
    "copied", [copy.deepcopy, lambda original: pickle.loads(pickle.dumps(original))]
)
def test_a_copy_still_gives_tensorflow_tensors(tokenizer, copied):
    again = copied(tokenizer)

    assert again is not tokenizer
    assert type(again) is type(tokenizer)
    assert again(TEXTS[1], return_tensors="tf")["input_ids"].numpy().tolist() == [SECOND]


def test_a_byte_level_tokenizer_pads_on_its_own_side(byte_level):
    tokenizer = AutoTokenizer.from_pretrained(byte_level)
    library = transformers.AutoTokenizer.from_pretrained(byte_level, local_files_only=True)
    texts = [*TEXTS, "naïve 😀 \n\ttabs", ""]

    encoding = tokenizer(texts, padding=True, return_tensors="tf")

    assert numbers(encoding) == numbers(library(texts, padding=True))
    mask = encoding["attention_mask"].numpy()
    assert (mask[1, 0], mask[1, -1], mask[3].sum()) == (0, 1, 0)
    assert tokenizer("", return_tensors="tf")["input_ids"].shape == (1, 0)


def test_options_reach_transformers(minilm):
    tokenizer = AutoTokenizer.from_pretrained(minilm, padding_side="left", model_max_length=7)

    ids = tokenizer(TEXTS, padding=True, truncation=True, return_tensors="tf")["input_ids"]

    assert ids.shape == (2, 7)
    assert tokenizer(["one", "one two"], padding=True)["input_ids"][0][0] == 0


def test_a_checkpoint_object_is_accepted(tiny):
    checkpoint = find(tiny)

    assert AutoTokenizer.from_pretrained(checkpoint)("a")["input_ids"] == [2, 5, 3]
    assert checkpoint.tokenizer("b", return_tensors="tf")["input_ids"].numpy().tolist() == [
        [2, 6, 3]
    ]


def test_the_default_is_the_embedded_checkpoint(tiny, monkeypatch):
    from diglot import embedded

    monkeypatch.setattr(embedded, "path", lambda: tiny)

    assert AutoTokenizer.from_pretrained()("a")["input_ids"] == [2, 5, 3]


def test_the_arguments_reach_the_search_for_the_checkpoint(tiny, monkeypatch):
    calls = []

    def record(*args: object, **kwargs: object) -> Checkpoint:
        calls.append((args, kwargs))
        return Checkpoint("tiny", tiny, None)

    monkeypatch.setattr("diglot.tokenizer.find", record)

    AutoTokenizer.from_pretrained("org/name")
    AutoTokenizer.from_pretrained("org/name", revision="v1", trust_remote_code=True)

    assert calls == [
        (("org/name",), {"revision": None, "trust_remote_code": False}),
        (("org/name",), {"revision": "v1", "trust_remote_code": True}),
    ]


def test_code_of_a_tokenizer_runs_only_if_it_is_trusted(tiny_copy, monkeypatch, tmp_path):
    monkeypatch.setattr("transformers.dynamic_module_utils.HF_MODULES_CACHE", str(tmp_path / "m"))
    monkeypatch.setattr(sys, "path", [*sys.path])
    code = "from transformers import BertTokenizer\nclass OddTokenizer(BertTokenizer): odd = True"
    (tiny_copy / "odd_tokenizer.py").write_text(code)
    file = tiny_copy / "tokenizer_config.json"
    changes = {
        "tokenizer_class": "OddTokenizer",
        "auto_map": {"AutoTokenizer": [None, "odd_tokenizer.OddTokenizer"]},
    }
    file.write_text(json.dumps(json.loads(file.read_text()) | changes))

    assert not hasattr(AutoTokenizer.from_pretrained(tiny_copy), "odd")
    assert not (tmp_path / "m").exists()
    tokenizer = AutoTokenizer.from_pretrained(tiny_copy, trust_remote_code=True)

    assert tokenizer.odd
    assert tokenizer("a", return_tensors="tf")["input_ids"].numpy().tolist() == [[2, 5, 3]]


def test_a_missing_folder_is_refused():
    with pytest.raises(CheckpointNotFoundError, match="there is no directory nowhere/at/all"):
        AutoTokenizer.from_pretrained("nowhere/at/all")


def test_a_checkpoint_without_a_vocabulary_is_refused(tiny_copy):
    (tiny_copy / "tokenizer.json").unlink()

    with pytest.raises(MissingTokenizerError, match=r"no vocabulary: expected one of .*vocab\.txt"):
        AutoTokenizer.from_pretrained(tiny_copy)


def test_a_tokenizer_without_vocabulary_files_needs_none(tmp_path):
    transformers.ByT5Tokenizer().save_pretrained(tmp_path)

    encoding = AutoTokenizer.from_pretrained(tmp_path)("a", return_tensors="tf")

    assert encoding["input_ids"].numpy().tolist() == [[ord("a") + 3, 1]]


def test_an_unloadable_tokenizer_is_refused_with_the_reason(tiny_copy):
    (tiny_copy / "tokenizer.json").write_text(json.dumps({"model": {"type": "Nonsense"}}))

    with pytest.raises(MissingTokenizerError, match="cannot load a tokenizer") as raised:
        AutoTokenizer.from_pretrained(tiny_copy)

    assert str(tiny_copy) in str(raised.value)
    assert raised.value.__cause__ is not None
