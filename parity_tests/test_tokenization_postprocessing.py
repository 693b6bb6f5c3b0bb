"""Truncation, special tokens, token types and padding, compared with the library."""

from __future__ import annotations

import json

import pytest
import tensorflow as tf
from hypothesis import assume, given
from hypothesis import strategies as st
from tokenizers import Tokenizer, models, pre_tokenizers, processors

from diglot.tokenization import postprocessing
from diglot.tokenization.postprocessing import Padding, Truncation

CLS, SEP, LETTERS = 26, 27, "abcdefghijklmnopqrstuvwxyz"
SPECIAL = [("[CLS]", CLS), ("[SEP]", SEP)]
PROCESSORS = {
    "none": None,
    "bytes": processors.ByteLevel(),
    "bert": processors.BertProcessing(("[SEP]", SEP), ("[CLS]", CLS)),
    "roberta": processors.RobertaProcessing(("[SEP]", SEP), ("[CLS]", CLS)),
    "after": processors.TemplateProcessing(
        single="$A [SEP]", pair="$A [SEP] $B:1 [SEP]:1", special_tokens=SPECIAL
    ),
    "crossed": processors.TemplateProcessing(
        single="[CLS]:3 $A:4 [SEP]:5",
        pair="[SEP]:2 $B:1 [CLS] $A:3 [SEP] [SEP] $A:2",
        special_tokens=SPECIAL,
    ),
    "several": processors.TemplateProcessing(
        single="[X] $A",
        pair="[X] $A $B:1 [X]:1",
        special_tokens=[
            {"id": "[X]", "ids": [CLS, SEP, CLS], "tokens": ["[CLS]", "[SEP]", "[CLS]"]}
        ],
    ),
    "sequence": processors.Sequence(
        [
            processors.ByteLevel(),
            processors.TemplateProcessing(
                single="[CLS] $0", pair="[CLS] $A $B:1", special_tokens=SPECIAL
            ),
        ]
    ),
}

lengths = st.lists(st.integers(0, 26), max_size=6)
pairs = st.lists(st.tuples(st.integers(0, 26), st.integers(0, 26)), max_size=6)
sides = st.sampled_from(["left", "right"])
strategies = st.sampled_from(["longest_first", "only_first", "only_second"])


def tokenizer(name):
    vocab = {token: index for index, token in enumerate([*LETTERS, "[CLS]", "[SEP]", "?"])}
    library = Tokenizer(models.WordLevel(vocab, unk_token="?"))
    library.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    if PROCESSORS[name]:
        library.post_processor = PROCESSORS[name]
    return library


@pytest.mark.parametrize("name", PROCESSORS)
@given(data=st.data())
def test_rows_equal_the_library_s(name, data):
    library = tokenizer(name)
    template = postprocessing.templates(json.loads(library.to_str())["post_processor"])
    drawn = data.draw(
        st.one_of(lengths.map(lambda row_lengths: [(length,) for length in row_lengths]), pairs)
    )
    count = len(drawn[0]) if drawn else 1
    template = template[count - 1]
    with_special_tokens = data.draw(st.booleans())
    if not with_special_tokens:
        template = postprocessing.without_special_tokens(template)
    reserved = postprocessing.special_tokens(template)
    # With a smaller limit, the library does not cut, and compile_tokenizer refuses.
    max_length = data.draw(st.integers(max(reserved, 1), 40))
    truncation = Truncation(max_length, data.draw(strategies), data.draw(sides))
    padding = Padding(
        data.draw(st.sampled_from([None, 7, 30])),
        data.draw(st.sampled_from([None, 1, 8])),
        data.draw(sides),
        28,
        data.draw(st.integers(0, 2)),
    )
    library.enable_truncation(max_length, strategy=truncation.strategy, direction=truncation.side)
    library.enable_padding(
        direction=padding.side,
        pad_id=28,
        pad_type_id=padding.type_id,
        pad_token="?",
        length=padding.length,
        pad_to_multiple_of=padding.multiple,
    )
    texts = [tuple(" ".join(LETTERS[:length]) for length in row) for row in drawn]
    ragged = [
        tf.RaggedTensor.from_row_lengths(
            tf.constant([id_ for row in drawn for id_ in range(row[index])], tf.int32),
            tf.constant([row[index] for row in drawn], tf.int64),
        )
        for index in range(count)
    ]

    def graph():
        cut = postprocessing.truncate(ragged, truncation, reserved)
        return postprocessing.pad(*postprocessing.fill(cut, template), padding)

    try:
        expected = library.encode_batch(
            [text if count == 2 else text[0] for text in texts],
            add_special_tokens=with_special_tokens,
        )
    except Exception:  # The library's own class is private.
        with pytest.raises(tf.errors.InvalidArgumentError, match=truncation.strategy):
            graph()
        return
    # Only rows of the same length are comparable: a tensor has no others.
    width = max((len(row.ids) for row in expected), default=0)
    assume(all(len(row.ids) == width for row in expected))
    ids, mask, types = (tensor.numpy().tolist() for tensor in graph())
    assert ids == [row.ids for row in expected]
    assert mask == [row.attention_mask for row in expected]
    assert types == [row.type_ids for row in expected]
