"""Texts that are difficult for tokenizers."""

# ruff: noqa: RUF001 - ambiguous characters are here on purpose.

from __future__ import annotations

from hypothesis import strategies as st

from diglot.parity.strategies import any_text

FRAGMENTS = (
    *"aAbBxyzéèäßıİſςσΣÆŒﬁﬀ½²①Ⅷª١٣๑१〇東京都國한국어ไทยمرحباअनुगतიВⅣ𝔘𐐀🙂",
    *".,;:!?-_'\"()[]{}<>#@$%^&*+=|~`/\\°§¿…—“”‘’、。٪؟׳「」〜",
    *" \t\n\r\v\f\x85\xa0\u1680\u2003\u2009\u2028\u2029\u202f\u3000",
    *"\0\x01\x1c\x1f\x7f\x80\x9f\xad\u034f\u061c\u070f\u180e\u200b\u200c\u200d\u200e\u202e\u2060",
    *"\ufe0f\ufeff\ufff9\ufffc\ufffd\ufffe\uffff\ue000\U000e0001\U000f0000\U0010ffff",
    # Marks of many classes: starters, spacing marks, vowel signs, and marks that are reordered.
    *"\u0300\u0301\u0307\u0308\u0323\u0327\u0328\u0334\u0338\u0345\u05b0\u05bc\u064b\u0651\u0670",
    *"\u093c\u094d\u09be\u09c7\u09d7\u0b3e\u0e38\u0e48\u0eb8\u0f71\u0f72\u0f74\u1037\u1039\u1b35",
    *"\u1b44\u1bf2\u20d0\u20dd\u302a\u302e\u302f\u3099\u309a\ua953\U0001d165\U0001d16d\U0001d172",
    # Letters that decompose or compose, in several steps or only in some contexts.
    *"ÅÅǛǭạ̈ửΐΰᾷἃ\u0344\u0958\u0dde\u1e9b\u2126\u212a\u2adc\uf900\ufb1d\ufb2c豈㍿ﷺ\U0002f800",
    *"각가\u1100\u1161\u11a8\u11a7\u1113\u1176\u11c3かがパパ",
    "e\u0301", "a\u0323\u0302", "s\u0323\u0307", "👩\u200d👩\u200d👧", "🏳️\u200d🌈", "👍🏽", "🇩🇪",
    "1️⃣",
    "i̇", "ΣΊΣΥΦΟΣ", "straße", "STRASSE", "don't", "U.S.A.", "3.14", "##", "##ing", "[", "]",
    "[CLS]", "[SEP]", "[MASK]", "[PAD]", "[UNK]", "[mask]", "<s>", "</s>", "unaffable", "the",
    "tokenization", "antidisestablishmentarianism", "http://example.org/?q=1&r=é#x",
)  # fmt: skip

hard_text = st.one_of(
    st.lists(st.sampled_from(FRAGMENTS), max_size=30).map("".join),
    st.lists(st.sampled_from(FRAGMENTS), max_size=12).map(" ".join),
    any_text,
)
"""Fragments with and without spaces between them, or arbitrary text."""

crowds = st.lists(hard_text, max_size=40)
"""A batch of such texts, so that one call tests many."""

ALL_CHARACTERS = "".join(chr(code) for code in range(0x110000) if not 0xD800 <= code < 0xE000)
"""Every scalar value of Unicode, as one text."""

LONG = (
    "a" * 100_000,
    "é" * 100_000,
    "ab " * 33_333,
    "," * 100_000,
    "a\u0323\u0301" * 5_000,
    "a" + "\u0301\u0323" * 2_000,
    "東" * 100_000,
    " " * 100_000,
    "[MASK]" * 10_000,
)
"""Texts of up to 100,000 characters."""
