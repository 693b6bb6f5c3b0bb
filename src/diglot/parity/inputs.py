"""The inputs of a check: drawn, the user's own, and those that are known to be hard."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from diglot.equality.cases import Case
from diglot.equality.sides import ENCODINGS, PAIRS, TEXTS
from diglot.inputs import read
from diglot.parity import strategies
from diglot.preprocessing import CheckpointEncoder

if TYPE_CHECKING:
    from diglot.checkpoints import Checkpoint

# Encodings that are drawn are no longer than this, so that a model of any size takes many of them;
# the longest that the checkpoint takes comes once by itself.
_DRAWN_TOKENS = 48
# What counts as the longest where nothing bounds it, or only memory does.
_LONGEST = 512

# How wide and for how long a tie between labels is looked for.
_TIE_TOKENS, _TIE_WIDTH, _TIE_ROUNDS = 8, 16, 12

_HARD_TEXTS: Mapping[str, tuple[str, ...]] = {
    "empty texts": ("", " ", "x"),
    "one token": ("good",),
    "repeated words": ("the the the the the the the the", "no " * 40),
    "longer than the model takes": ("a film that does not end " * 400, "short"),
    "accents and scripts": ("naïve café Ångström", "Привет, как дела?", "東京は 한국어 नमस्ते"),
    "case and composition": ("GREAT Great great", "e\u0301 \u00e9 \ufb01 \u00df \u1e9e \u0130"),
    "names of special tokens": ("[CLS] [SEP] [MASK] [PAD]", "<s> </s> <pad> <|endoftext|>"),
    "control characters and spaces": ("a\u0000b\u0007c\ufffd", "tab\tline\r\nend\u2028\u3000x"),
    "runs of spaces": ("two  three   four    five", "  before and behind  "),
    "long numbers": ("12345 1000000 3.14159 2026-11-23",),
    # WordPiece gives up on a word of more than 100 characters.
    "long words": ("a" * 100, "a" * 101),
    "emoji and symbols": ("🙂👩‍👩‍👧🏳️‍🌈 1½ ∑", "http://a.b/c?d=e#f @user #tag $9.99 ..."),
}


class Inputs:
    """Where the cases for one checkpoint come from.

    Attributes:
        pad: the id that stands for padding.
        longest: the longest encoding, in tokens, that is made up.
    """

    def __init__(self, found: Checkpoint, forms: Collection[str]) -> None:
        """Find out what the checkpoint takes.

        Args:
            found: the checkpoint.
            forms: of the inputs that are wanted: :data:`~diglot.equality.sides.TEXTS` and so on.
        """
        config: Any = found.config.get_text_config()
        self._forms = forms
        self._vocabulary: int = config.vocab_size
        self.pad: int = config.pad_token_id or 0
        self._pads = CheckpointEncoder(found).pads
        self.longest = min(found.max_tokens or _LONGEST, _LONGEST)
        typed = "token_type_ids" in found.input_names
        types: int = getattr(config, "type_vocab_size", 0) if typed else 0
        self._types = types if types > 1 else 0

    def all(
        self,
        texts: Sequence[Any],
        examples: int,
        number: int,
        logits: Callable[[strategies.Encoding], Any],
    ) -> list[Case]:
        """The user's own, the hard ones, those that are drawn, and a near tie.

        Args:
            texts: see :meth:`own`.
            examples: see :meth:`drawn`.
            number: the seed.
            logits: see :meth:`tie`.

        Raises:
            InputError: one of the texts is none.
        """
        cases = [*self.own(texts), *self.hard(), *self.drawn(examples, number)]
        return [*cases, self.tie(logits, number)] if ENCODINGS in self._forms else cases

    def drawn(self, examples: int, number: int) -> list[Case]:
        """Texts, pairs and encodings, as many as are asked for.

        Args:
            examples: how many.
            number: the seed. It gives the same cases with the same version of Hypothesis and the
                same modules of the user's loaded, for Hypothesis also draws constants from these.
        """
        kinds = {TEXTS: self._texts, PAIRS: self._pairs, ENCODINGS: self._encodings}
        strategy = st.one_of([kinds[form]() for form in kinds if form in self._forms])
        cases: list[Case] = []

        @seed(number)
        @settings(
            max_examples=examples,
            database=None,
            deadline=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(strategy)
        def collect(case: Case) -> None:
            cases.append(case)

        collect()
        return cases

    def own(self, texts: Sequence[Any]) -> list[Case]:
        """The user's own texts and pairs, one by one.

        Raises:
            InputError: one is not text.
        """
        given = [read(raw, index) for index, raw in enumerate(texts)]
        return [
            Case("own texts", (one.text,), None if one.pair is None else (one.pair,))
            for one in given
        ]

    def hard(self) -> list[Case]:
        """What is known to tell programs apart: masks, lengths, ids, and texts of all kinds."""
        texts = [
            Case(origin, some, some[::-1] if TEXTS not in self._forms else None)
            for origin, some in _HARD_TEXTS.items()
            if {TEXTS, PAIRS} & set(self._forms)
        ]
        encodings = [
            Case(origin, encoding=encoding)
            for origin, encoding in self._hard_encodings()
            if ENCODINGS in self._forms
        ]
        return [one for case in texts + encodings for one in self._batches(case)]

    def _batches(self, case: Case) -> list[Case]:
        """The case, or where rows cannot share a batch each of its rows."""
        return [case] if self._pads else [case.row(index) for index in range(case.rows)]

    def tie(self, logits: Callable[[strategies.Encoding], Any], number: int) -> Case:
        """A text-like encoding whose two best labels are as near as a short search brings them.

        Args:
            logits: the reference's, ``[batch, labels]``, for an encoding.
            number: the seed of the search.
        """
        random = np.random.default_rng(number)
        tokens = min(_TIE_TOKENS, self.longest)
        ids = self._random_ids(random, (_TIE_WIDTH if self._pads else 1, tokens))
        best, least = ids[:1], np.inf
        for _ in range(_TIE_ROUNDS):
            ranked = np.sort(logits({"input_ids": ids, "attention_mask": np.ones_like(ids)}))
            margins = ranked[:, -1] - ranked[:, -2] if ranked.shape[-1] > 1 else np.zeros(len(ids))
            row = int(margins.argmin())
            if margins[row] < least:
                best, least = ids[row : row + 1], margins[row]
            # One token of the best so far is another in each row of the next round.
            ids = np.repeat(best, len(ids), axis=0)
            places = random.integers(0, tokens, len(ids))
            ids[np.arange(len(ids)), places] = self._random_ids(random, (len(ids),))
        return Case("near tie", encoding={"input_ids": best, "attention_mask": np.ones_like(best)})

    def _random_ids(self, random: np.random.Generator, shape: tuple[int, ...]) -> Any:
        ids = random.integers(0, self._vocabulary, shape)
        return np.where(ids == self.pad, (self.pad + 1) % self._vocabulary, ids)

    def _hard_encodings(self) -> Iterator[tuple[str, strategies.Encoding]]:
        last, some = self._vocabulary - 1, min(12, self.longest)
        random = np.random.default_rng(0)

        def encoding(ids: Any, mask: Any = None) -> strategies.Encoding:
            ids = np.asarray(ids, np.int64)
            mask = np.ones_like(ids) if mask is None else np.asarray(mask, np.int64)
            given = {"input_ids": np.where(mask, ids, self.pad), "attention_mask": mask}
            if self._types:
                given["token_type_ids"] = np.arange(ids.size).reshape(ids.shape) % self._types
            return given

        drawn = self._random_ids(random, (4, some))
        count = np.arange(some)
        yield "fully masked rows", encoding(drawn[:2], [[0] * some, [1] * some])
        yield "one token", encoding(drawn[:2, :1])
        yield (
            "padding on both sides",
            encoding(drawn, [count < 2, count >= some - 2, count < 1, (count > 2) & (count < 6)]),
        )
        yield "repeated tokens", encoding(np.repeat(drawn[:2, :1], some, axis=1))
        edges = [0, 1, last - 1, last]
        yield "edges of the vocabulary", encoding([edges, edges[::-1]])
        ids = self._random_ids(random, (2, self.longest))
        half = np.arange(self.longest) < max(self.longest // 2, 1)
        yield "longest length", encoding(ids, [np.ones_like(half), half])

    def _texts(self) -> st.SearchStrategy[Case]:
        batches = strategies.batches if self._pads else strategies.texts.map(lambda one: [one])
        return batches.map(lambda texts: Case("drawn texts", tuple(texts)))

    def _pairs(self) -> st.SearchStrategy[Case]:
        some = strategies.pairs if self._pads else strategies.pairs.map(lambda pairs: pairs[:1])

        def case(pairs: list[tuple[str, str]]) -> Case:
            firsts, seconds = zip(*pairs, strict=True)
            return Case("drawn pairs", firsts, seconds)

        return some.map(case)

    def _encodings(self) -> st.SearchStrategy[Case]:
        some = strategies.encodings(
            vocabulary=self._vocabulary,
            max_tokens=min(_DRAWN_TOKENS, self.longest),
            pad=self.pad,
            types=self._types,
            rows=None if self._pads else 1,
        )
        return some.map(lambda encoding: Case("drawn encodings", encoding=encoding))
