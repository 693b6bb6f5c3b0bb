"""Added tokens within texts, compared with the library."""

from __future__ import annotations

import json

import tensorflow as tf
from hypothesis import given, reject, settings
from hypothesis import strategies as st
from tokenizers import AddedToken, Tokenizer, models, normalizers, pre_tokenizers

from diglot.errors import TokenizerNotSupportedError
from diglot.tokenization import added_tokens, builders

# A small alphabet, so that tokens overlap and are next to words, marks and white space.
CHARACTERS = "abAÄé_.- \n\t\u3000\u0301\u200d東٣🙂\0[]"
NORMALIZERS = (
    None,
    normalizers.Lowercase(),
    normalizers.BertNormalizer(),
    normalizers.NFC(),
    normalizers.Strip(),
    normalizers.Prepend("_"),
    normalizers.Replace("b", ""),
)

# Some tokens have a common beginning, so that the first match is not the longest.
contents = st.one_of(
    st.text(st.sampled_from(CHARACTERS), min_size=1, max_size=3),
    st.text("ab", min_size=1, max_size=3),
)
tokens = st.builds(
    AddedToken,
    contents,
    single_word=st.booleans(),
    lstrip=st.booleans(),
    rstrip=st.booleans(),
    normalized=st.booleans(),
)
plain_tokens = st.builds(AddedToken, contents, normalized=st.booleans())


@settings(max_examples=60)
@given(st.data())
def test_texts_are_divided_at_added_tokens(data):
    strategy = data.draw(st.sampled_from([tokens, plain_tokens]))
    drawn = data.draw(st.lists(strategy, min_size=1, max_size=6))
    normalizer = data.draw(st.sampled_from(NORMALIZERS))
    # A model of single characters shows the text between the tokens.
    vocabulary = {
        character: index for index, character in enumerate(sorted({*CHARACTERS, *"äÁáéa\u0308AÉ"}))
    }
    tokenizer = Tokenizer(models.BPE(vocabulary, []))
    tokenizer.pre_tokenizer = pre_tokenizers.Split("\uffff", "isolated")
    if normalizer is not None:
        tokenizer.normalizer = normalizer
    tokenizer.add_tokens(drawn)
    # The file is what is compiled. In tokenizers 0.22, a token that was added twice keeps its first
    # form in memory and its second form in the file.
    tokenizer = Tokenizer.from_str(tokenizer.to_str())
    spec = json.loads(tokenizer.to_str())
    built = builders.build_normalizer(spec["normalizer"]) if normalizer else None
    try:
        divide = added_tokens.AddedTokens(spec["added_tokens"], built, normalizer)
    except TokenizerNotSupportedError:
        reject()
    pieces = st.sampled_from([*CHARACTERS, *[token.content for token in drawn] * 4])
    texts = data.draw(st.lists(st.lists(pieces, max_size=12).map("".join), max_size=40))

    parts = divide(tf.constant(texts, tf.string))

    splits = parts.row_splits.numpy()
    for row, text in enumerate(texts):
        ids = []
        for part in range(splits[row], splits[row + 1]):
            id_, content = int(parts.ids[part]), parts.texts[part].numpy().decode()
            in_text = [vocabulary[letter] for letter in content if letter in vocabulary]
            ids += [id_] if id_ >= 0 else in_text
            assert id_ >= 0 or content
        assert ids == tokenizer.encode(text).ids, ascii(text)
