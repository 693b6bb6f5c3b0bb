"""Which tokenizers compile and which are refused, and how the compiled graph behaves."""

import copy
import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
import tensorflow as tf
from tokenizers import AddedToken, Tokenizer, models, normalizers, pre_tokenizers, processors

from diglot.errors import DiglotError, InputError
from diglot.tokenization import (
    TokenizationError,
    TokenizerNotSupportedError,
    builders,
    compile_tokenizer,
)

VOCABULARY = {"[PAD]": 0, "[UNK]": 1, "[CLS]": 2, "[SEP]": 3, "a": 4, "b": 5, "##c": 6, "##d": 8}


@pytest.fixture(scope="module")
def small():
    """The content of the file of a tokenizer that compiles quickly."""
    tokenizer = Tokenizer(models.WordPiece(VOCABULARY, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    tokenizer.enable_padding(pad_id=0)
    return json.loads(tokenizer.to_str())


@pytest.fixture(scope="module")
def compiled(small):
    return compile_tokenizer(small)


def ids(encoding):
    return encoding["input_ids"].numpy().tolist()


def test_a_text_becomes_an_encoding(compiled):
    encoding = compiled(tf.constant(["a bcd", "x", ""]))

    assert {name: tensor.dtype for name, tensor in encoding.items()} == dict.fromkeys(
        ("input_ids", "attention_mask", "token_type_ids"), tf.int32
    )
    assert ids(encoding) == [[2, 4, 5, 6, 8, 3], [2, 1, 3, 0, 0, 0], [2, 3, 0, 0, 0, 0]]
    assert encoding["attention_mask"].numpy().sum(1).tolist() == [6, 3, 2]


def test_pairs_have_token_types(compiled):
    encoding = compiled(tf.constant(["a", "b"]), tf.constant(["b", ""]))

    assert ids(encoding) == [[2, 4, 3, 5, 3], [2, 5, 3, 3, 0]]
    assert encoding["token_type_ids"].numpy().tolist() == [[0, 0, 0, 1, 1], [0, 0, 0, 1, 0]]


def test_a_batch_may_be_empty(compiled):
    empty = tf.constant([], tf.string)
    assert compiled(empty)["input_ids"].shape == (0, 0)
    assert compiled(empty, empty)["token_type_ids"].shape == (0, 0)


def test_each_text_needs_a_second_text(compiled):
    with pytest.raises(tf.errors.InvalidArgumentError, match="exactly one text_pair"):
        compiled(tf.constant(["a", "b"]), tf.constant(["a"]))


@pytest.mark.parametrize(
    "text", [b"\xed\xa0\x80", b"a\xff", b"\xc0\x80", b"\xe2\x82", b"\xf5\0\0\0"]
)
def test_invalid_utf8_is_refused(compiled, text):
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"not valid UTF-8[^\[]*\[1\]"):
        compiled(tf.constant([b"a", text]))
    with pytest.raises(tf.errors.InvalidArgumentError, match="not valid UTF-8"):
        compiled(tf.constant([b"a"]), tf.constant([text]))


def test_it_works_inside_a_function_with_any_batch_size(compiled):
    @tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
    def lengths(texts):
        return tf.reduce_sum(compiled(texts)["attention_mask"], 1)

    assert lengths(tf.constant(["a"])).numpy().tolist() == [3]
    assert lengths(tf.constant(["a", "a b"])).numpy().tolist() == [3, 4]


def test_threads_can_share_it(small):
    # None of the functions has been traced for pairs, so all threads trace at the same time.
    tokenizer = compile_tokenizer(small)
    texts = ["a b " * count for count in range(8)]

    with ThreadPoolExecutor(8) as threads:
        rows = list(threads.map(lambda text: ids(tokenizer([text], ["a"])), texts))

    assert rows == [[[2, *[4, 5] * count, 3, 4, 3]] for count in range(8)]


def test_it_needs_only_tensorflow_once_saved(small, compiled, tmp_path):
    texts, second_texts = ["a bcd [SEP]", "é x", ""], ["b", "", "a a"]
    flagged = copy.deepcopy(small)
    flagged["normalizer"] = {"type": "NFC"}
    flagged["added_tokens"] = [
        {"id": 3, "content": "[SEP]", "normalized": False, "special": True}
        | dict.fromkeys(("single_word", "lstrip", "rstrip"), True)
    ]
    tokenizer = compile_tokenizer(flagged)
    tf.saved_model.save(tokenizer, str(tmp_path / "saved"))
    code = f"""
import json, sys
import tensorflow as tf
loaded = tf.saved_model.load({str(tmp_path / "saved")!r})
single = loaded.encode(tf.constant({texts!r}))
pair = loaded.encode_pair(tf.constant({texts!r}), tf.constant({second_texts!r}))
assert not {{"diglot", "tokenizers", "transformers"}} & set(sys.modules)
print(json.dumps([encoding["input_ids"].numpy().tolist() for encoding in (single, pair)]))
"""
    process = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )
    assert process.returncode == 0, process.stderr
    single, pair = json.loads(process.stdout.splitlines()[-1])

    assert single[0] == [2, 4, 5, 6, 8, 3, 3]
    assert single == ids(tokenizer(tf.constant(texts)))
    assert pair == ids(tokenizer(tf.constant(texts), tf.constant(second_texts)))


def test_arguments_override_the_file(small):
    spec = copy.deepcopy(small)
    spec["truncation"] = {"max_length": 4, "strategy": "OnlyFirst", "stride": 0}
    spec["padding"] |= {
        "strategy": {"Fixed": 6},
        "direction": "Left",
        "pad_id": 7,
        "pad_type_id": 9,
    }
    encoding = compile_tokenizer(spec)(tf.constant(["a b a"]))
    assert ids(encoding) == [[7, 7, 2, 4, 5, 3]]
    assert encoding["token_type_ids"].numpy().tolist() == [[9, 9, 0, 0, 0, 0]]

    encoding = compile_tokenizer(
        spec,
        add_special_tokens=False,
        max_length=2,
        truncation="longest_first",
        truncation_side="left",
        padding_length="longest",
        pad_to_multiple_of=3,
        padding_side="right",
        pad_token_id=0,
        pad_token_type_id=1,
    )(tf.constant(["a b a"]))
    assert ids(encoding) == [[5, 4, 0]]
    assert encoding["token_type_ids"].numpy().tolist() == [[0, 0, 1]]


def test_it_knows_the_versions_of_its_libraries(compiled):
    assert set(compiled.versions) == {"tensorflow", "tokenizers"}


def test_the_folder_the_file_and_its_content_are_accepted(small, tmp_path):
    path = tmp_path / "tokenizer.json"
    path.write_text(json.dumps(small), encoding="utf-8")

    for source in (tmp_path, str(path), small):
        assert ids(compile_tokenizer(source)(tf.constant(["a"]))) == [[2, 4, 3]]


@pytest.mark.parametrize(
    ("content", "message"),
    [(None, "cannot read"), ("{", "cannot read the tokenizer"), ("\ud800", "cannot read")],
)
def test_an_unreadable_file_is_refused(tmp_path, content, message):
    path = tmp_path / "tokenizer.json"
    if content:
        path.write_bytes(content.encode("utf-8", "surrogatepass"))
    with pytest.raises(TokenizationError, match=message):
        compile_tokenizer(path)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"max_length": 1}, "leaves no room for the 2 special tokens"),
        ({"max_length": 0}, "less than one token"),
        (
            {"max_length": 9, "truncation": "middle"},
            "'middle' is invalid; pass one of 'longest_first'",
        ),
        (
            {"max_length": 9, "truncation_side": "top"},
            "'top' is invalid; pass one of 'left', 'right'",
        ),
        ({"padding_side": "top"}, "'top' is invalid; pass one of 'left', 'right'"),
        ({"padding_length": "full"}, "'full' is invalid; pass one of 'longest'"),
    ],
)
def test_invalid_arguments_are_refused(small, arguments, message):
    with pytest.raises(InputError, match=message):
        compile_tokenizer(small, **arguments)


def test_the_id_of_the_padding_is_required(small):
    with pytest.raises(InputError, match="pass pad_token_id"):
        compile_tokenizer(small | {"padding": None})


def test_pairs_without_room_are_refused(small):
    tokenizer = compile_tokenizer(small, max_length=2)

    assert ids(tokenizer(tf.constant(["a"]))) == [[2, 3]]
    with pytest.raises(InputError, match="special tokens of a pair"):
        tokenizer(tf.constant(["a"]), tf.constant(["a"]))


@pytest.mark.parametrize("component", ["normalizer", "pre_tokenizer", "post_processor", "model"])
def test_unknown_components_are_refused_by_name(small, component, monkeypatch):
    # The installed library refuses unknown components itself. A newer one may have more.
    spec = small | {component: {"type": "Novel", "vocab": {}}}
    monkeypatch.setattr(Tokenizer, "from_str", lambda _: Tokenizer(models.BPE()), raising=False)
    monkeypatch.setattr("diglot.tokenization.compiler._canonical", lambda library, content: content)
    with pytest.raises(TokenizerNotSupportedError, match="Novel") as raised:
        compile_tokenizer(spec)
    assert raised.value.component == f"{component} Novel"
    assert isinstance(raised.value, DiglotError)


def assert_refused(small, match, **changes):
    with pytest.raises(TokenizerNotSupportedError, match=match):
        compile_tokenizer(small | changes)


def test_unsupported_models_are_refused(small):
    words = {"type": "WordLevel", "vocab": VOCABULARY, "unk_token": "[UNK]"}
    assert_refused(small, "model WordLevel", model=words)
    assert_refused(small, "lacks it", model=small["model"] | {"unk_token": "<unk>"})


def test_several_processors_that_add_tokens_are_refused(small):
    both = {"type": "Sequence", "processors": [small["post_processor"]] * 2}
    assert_refused(
        small, "post_processor Sequence of BertProcessing, BertProcessing", post_processor=both
    )


@pytest.mark.parametrize(
    ("tokens", "message"),
    [
        ([AddedToken("\u0301", normalized=True)], "removes all of its characters"),
        ([AddedToken("X", normalized=True), AddedToken("x", normalized=True)], "once normalized"),
        ([AddedToken(" x", normalized=False, lstrip=True)], "white space at its ends"),
    ],
)
def test_ambiguous_added_tokens_are_refused(small, tokens, message):
    tokenizer = Tokenizer.from_str(json.dumps(small))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.add_tokens(tokens)
    with pytest.raises(TokenizerNotSupportedError, match=message):
        compile_tokenizer(json.loads(tokenizer.to_str()))


def test_a_graph_that_differs_from_the_library_is_refused(small, monkeypatch):
    build = builders.build_model
    monkeypatch.setattr(
        "diglot.tokenization.compiler.build_model",
        lambda spec: build(spec | {"unk_token": "[PAD]"}),
    )
    assert_refused(small, r"the graph gives the ids \[2, 0.* and the library \[2, 1")


def test_importing_diglot_does_not_import_the_compiler():
    code = "import sys, diglot; assert not {'diglot.tokenization', 'tensorflow'} & set(sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
