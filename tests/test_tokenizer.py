"""Tokenizers: transformers' own, and the same numbers in every kind of tensor."""

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
def ours(minilm):
    return AutoTokenizer.from_pretrained(minilm)


@pytest.fixture(scope="module")
def theirs(minilm):
    return transformers.AutoTokenizer.from_pretrained(minilm, local_files_only=True)


@pytest.fixture(scope="module")
def byte_level(tmp_path_factory):
    """A byte-level BPE tokenizer of the GPT-2 kind, trained here, that pads on the left."""
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
    """Lists, whatever kind of tensor they were."""
    return {key: np.asarray(value).tolist() for key, value in encoding.items()}


def test_the_worked_example(ours):
    encoding = ours(TEXTS, padding=True, truncation=True, return_tensors="tf")

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
def test_every_kind_holds_the_numbers_that_transformers_gives(ours, theirs, call, return_tensors):
    expected = theirs(**call, return_tensors="np" if return_tensors else None)

    encoding = ours(**call, return_tensors=return_tensors)

    assert numbers(encoding) == numbers(expected)
    kinds = {None: list, "pt": torch.Tensor, "tf": tf.Tensor, "np": np.ndarray}
    assert all(isinstance(value, kinds[return_tensors]) for value in encoding.values())


def test_tensors_have_the_dtypes_that_transformers_gives(ours):
    assert ours("one", return_tensors="tf")["input_ids"].dtype == tf.int32
    assert ours("one", return_tensors="pt")["input_ids"].dtype == torch.int64
    assert ours("one", return_tensors="np")["input_ids"].dtype == np.int64


def test_transformers_own_enumeration_is_taken(ours):
    encoding = ours("one", return_tensors=transformers.TensorType.PYTORCH)

    assert isinstance(encoding["input_ids"], torch.Tensor)


def test_the_result_stays_a_batch_encoding(ours, theirs):
    encoding = ours(TEXTS, padding=True, return_tensors="tf")
    expected = theirs(TEXTS, padding=True)

    assert isinstance(encoding, transformers.BatchEncoding)
    assert encoding.input_ids is encoding["input_ids"]
    assert set(encoding) == {"input_ids", "token_type_ids", "attention_mask"}
    assert encoding.word_ids(1) == expected.word_ids(1)
    assert encoding.char_to_token(0, 5) == expected.char_to_token(0, 5) == 4
    assert encoding.tokens(1)[:3] == ["[CLS]", "i", "hate"]


@pytest.mark.parametrize("return_tensors", ["pt", "tf"])
def test_rows_of_different_lengths_are_no_tensor(ours, return_tensors):
    with pytest.raises(ValueError, match="padding=True"):
        ours(TEXTS, return_tensors=return_tensors)


def test_the_error_of_tensorflow_names_the_lengths(ours):
    with pytest.raises(InputError, match=r"'input_ids' have different lengths \(8, 16\)"):
        ours(TEXTS, return_tensors="tf")


@pytest.mark.parametrize("method", ["__call__", "encode"])
def test_an_unknown_kind_of_tensor_names_the_known_ones(ours, method):
    with pytest.raises(InputError, match="'jax' is not known; it is one of 'pt', 'tf', 'np'"):
        getattr(ours, method)("one", return_tensors="jax")


@pytest.mark.parametrize(("return_tensors", "module"), [("tf", "tensorflow"), ("pt", "torch")])
def test_a_framework_that_is_not_installed(ours, monkeypatch, return_tensors, module):
    monkeypatch.setitem(sys.modules, module, None)

    with pytest.raises(BackendNotInstalledError) as caught:
        ours("one", return_tensors=return_tensors)

    assert f"return_tensors='{return_tensors}' needs {module}, which" in str(caught.value)
    assert f"'diglot[{module}]'" in str(caught.value)


def test_lists_and_arrays_need_no_framework(ours, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    monkeypatch.setitem(sys.modules, "tensorflow", None)

    assert ours(TEXTS[1])["input_ids"] == SECOND
    assert ours(TEXTS[1], return_tensors="np")["input_ids"].tolist() == [SECOND]


def test_encode(ours):
    assert ours.encode(TEXTS[1]) == SECOND
    ids = ours.encode(TEXTS[1], return_tensors="tf")
    assert (ids.dtype, ids.shape) == (tf.int32, (1, 8))
    assert ids.numpy().tolist() == ours.encode(TEXTS[1], return_tensors="pt").tolist() == [SECOND]


def test_pad(ours, theirs):
    rows = [{"input_ids": FIRST}, {"input_ids": SECOND}]

    padded = ours.pad(rows, return_tensors="tf")

    assert numbers(padded) == numbers(theirs.pad(rows, return_tensors="np"))
    assert padded["attention_mask"].dtype == tf.int32
    assert ours.pad(rows)["input_ids"] == [FIRST, SECOND + [0] * 8]


def test_decode_takes_tensorflow_tensors(ours):
    ids = ours(TEXTS, padding=True, return_tensors="tf")["input_ids"]

    assert ours.decode(ids[1], skip_special_tokens=True) == "i hate this so much!"
    assert ours.decode(FIRST[1:3]) == "i '"
    assert ours.batch_decode(ids, skip_special_tokens=True)[1] == "i hate this so much!"


CHAT = (
    "{% for message in messages %}{{ message.role }} {% generation %}{{ message.content }}"
    "{% endgeneration %} {% endfor %}"
)
TALK = [{"role": "user", "content": "hello there"}, {"role": "judge", "content": "hate"}]


@pytest.mark.parametrize("return_dict", [True, False])
def test_a_chat_template_gives_tensors(ours, theirs, return_dict):
    options = {"chat_template": CHAT, "return_dict": return_dict}
    expected = theirs.apply_chat_template(TALK, return_tensors="np", **options)

    given = ours.apply_chat_template(TALK, return_tensors="tf", **options)

    if not return_dict:
        expected, given = {"input_ids": expected}, {"input_ids": given}
    assert numbers(given) == numbers(expected)
    assert all(value.dtype == tf.int32 for value in given.values())


def test_chats_of_different_lengths_are_no_tensor(ours):
    options = {"chat_template": CHAT, "return_dict": False, "return_tensors": "tf"}

    with pytest.raises(InputError, match="the rows of 'input_ids' have different lengths"):
        ours.apply_chat_template([TALK, TALK[1:]], **options)


def test_a_chat_template_marks_what_was_generated(ours, theirs):
    options = {"chat_template": CHAT, "return_assistant_tokens_mask": True}

    given = ours.apply_chat_template(TALK, return_tensors="tf", **options)

    assert given["assistant_masks"].numpy().tolist() == [[0, 1, 1, 0, 1]]


def test_a_chat_template_gives_text(ours):
    text = ours.apply_chat_template(TALK, chat_template=CHAT, tokenize=False, return_tensors="tf")

    assert text == "user hello there judge hate "


def test_it_is_the_tokenizer_that_transformers_loads(ours, theirs):
    assert isinstance(ours, type(theirs))
    assert isinstance(ours, transformers.PreTrainedTokenizerBase)
    for name in ("__name__", "__qualname__", "__module__", "__doc__"):
        assert getattr(type(ours), name) == getattr(type(theirs), name)
    assert ours.model_max_length == theirs.model_max_length == 512


def test_transformers_loads_what_it_saves(ours, theirs, tmp_path):
    ours.save_pretrained(tmp_path / "ours")
    theirs.save_pretrained(tmp_path / "theirs")

    ours_saved, theirs_saved = (
        {path.name: path.read_bytes() for path in sorted((tmp_path / who).iterdir())}
        for who in ("ours", "theirs")
    )
    assert ours_saved == theirs_saved
    again = transformers.AutoTokenizer.from_pretrained(tmp_path / "ours", local_files_only=True)
    assert type(again) is type(theirs)
    assert again(TEXTS)["input_ids"] == [FIRST, SECOND]


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda it: pickle.loads(pickle.dumps(it))])
def test_a_copy_still_gives_tensorflow_tensors(ours, copied):
    again = copied(ours)

    assert again is not ours
    assert type(again) is type(ours)
    assert again(TEXTS[1], return_tensors="tf")["input_ids"].numpy().tolist() == [SECOND]


def test_a_byte_level_tokenizer_pads_on_its_own_side(byte_level):
    ours = AutoTokenizer.from_pretrained(byte_level)
    theirs = transformers.AutoTokenizer.from_pretrained(byte_level, local_files_only=True)
    texts = [*TEXTS, "naïve 😀 \n\ttabs", ""]

    encoding = ours(texts, padding=True, return_tensors="tf")

    assert numbers(encoding) == numbers(theirs(texts, padding=True))
    mask = encoding["attention_mask"].numpy()
    assert (mask[1, 0], mask[1, -1], mask[3].sum()) == (0, 1, 0)
    assert ours("", return_tensors="tf")["input_ids"].shape == (1, 0)


def test_options_reach_transformers(minilm):
    tokenizer = AutoTokenizer.from_pretrained(minilm, padding_side="left", model_max_length=7)

    ids = tokenizer(TEXTS, padding=True, truncation=True, return_tensors="tf")["input_ids"]

    assert ids.shape == (2, 7)
    assert tokenizer(["one", "one two"], padding=True)["input_ids"][0][0] == 0


def test_a_checkpoint_that_was_found_before_is_taken(tiny):
    checkpoint = find(tiny)

    assert AutoTokenizer.from_pretrained(checkpoint)("a")["input_ids"] == [2, 5, 3]
    assert checkpoint.tokenizer("b", return_tensors="tf")["input_ids"].numpy().tolist() == [
        [2, 6, 3]
    ]


def test_without_a_checkpoint_it_is_the_default_one(tiny, monkeypatch):
    from diglot import embedded

    monkeypatch.setattr(embedded, "path", lambda: tiny)

    assert AutoTokenizer.from_pretrained()("a")["input_ids"] == [2, 5, 3]


def test_what_finds_the_checkpoint_is_told_all(tiny, monkeypatch):
    asked = []

    def record(*args: object, **kwargs: object) -> Checkpoint:
        asked.append((args, kwargs))
        return Checkpoint("tiny", tiny, None)

    monkeypatch.setattr("diglot.tokenizer.find", record)

    AutoTokenizer.from_pretrained("org/name")
    AutoTokenizer.from_pretrained("org/name", revision="v1", trust_remote_code=True)

    assert asked == [
        (("org/name",), {"revision": None, "trust_remote_code": False}),
        (("org/name",), {"revision": "v1", "trust_remote_code": True}),
    ]


def test_a_tokenizer_s_own_code_is_run_only_if_it_is_trusted(tiny_copy, monkeypatch, tmp_path):
    monkeypatch.setattr("transformers.dynamic_module_utils.HF_MODULES_CACHE", str(tmp_path / "m"))
    monkeypatch.setattr(sys, "path", [*sys.path])
    code = "from transformers import BertTokenizer\nclass OddTokenizer(BertTokenizer): odd = True"
    (tiny_copy / "odd_tokenizer.py").write_text(code)
    file = tiny_copy / "tokenizer_config.json"
    own = {
        "tokenizer_class": "OddTokenizer",
        "auto_map": {"AutoTokenizer": [None, "odd_tokenizer.OddTokenizer"]},
    }
    file.write_text(json.dumps(json.loads(file.read_text()) | own))

    assert not hasattr(AutoTokenizer.from_pretrained(tiny_copy), "odd")
    assert not (tmp_path / "m").exists()
    tokenizer = AutoTokenizer.from_pretrained(tiny_copy, trust_remote_code=True)

    assert tokenizer.odd
    assert tokenizer("a", return_tensors="tf")["input_ids"].numpy().tolist() == [[2, 5, 3]]


def test_a_directory_that_is_not_there():
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


def test_a_tokenizer_that_cannot_be_loaded_says_why(tiny_copy):
    (tiny_copy / "tokenizer.json").write_text(json.dumps({"model": {"type": "Nonsense"}}))

    with pytest.raises(MissingTokenizerError, match="cannot load a tokenizer") as caught:
        AutoTokenizer.from_pretrained(tiny_copy)

    assert str(tiny_copy) in str(caught.value)
    assert caught.value.__cause__ is not None
