"""The inputs of a check: drawn ones, the user's own, and those that are known to be hard."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import seed as with_seed
from hypothesis import strategies as st

from diglot.equality.cases import ENCODINGS, PAIRS, TEXTS, Case
from diglot.errors import InputError
from diglot.inputs import Text, read
from diglot.parity import strategies
from diglot.preprocessing import CheckpointEncoder

if TYPE_CHECKING:
    from diglot.checkpoints import Checkpoint
    from diglot.equality.sides import Run

# The largest length of a drawn encoding, in tokens, so that a model of any size takes many.
_DRAWN_TOKENS = 48
# The largest length of a batch, in tokens, whatever the model takes: the memory of attention grows
# with its square.
_LONGEST = 512
# The length of one single row, in tokens, for a model that takes more than a batch's length.
_LONGEST_ROW = 2048

# The search for a near tie: tokens in an encoding, encodings in a round, and rounds.
_TIE_TOKENS, _TIE_WIDTH, _TIE_ROUNDS = 8, 16, 12

_HARD_TEXTS: Mapping[str, tuple[str, ...]] = {
    "empty texts": ("", " ", "x"),
    "one token": ("good",),
    "repeated words": ("the the the the the the the the", "no " * 40),
    "longer than most models take": ("a film that does not end " * 400, "short"),
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
    """The inputs for one checkpoint.

    No drawn or hard batch is longer than 512 tokens, except one of a single row.

    Attributes:
        pad: the id of the pad token; 0 if the model has none.
        longest: the largest length of a batch, in tokens.
    """

    def __init__(self, checkpoint: Checkpoint, forms: Collection[str]) -> None:
        """Read the limits of a checkpoint.

        Args:
            checkpoint: the checkpoint.
            forms: the wanted forms of input, such as :data:`~diglot.equality.cases.TEXTS`.
        """
        config: Any = checkpoint.config.get_text_config()
        self._forms = forms
        self._vocabulary: int = config.vocab_size
        self.pad: int = config.pad_token_id or 0
        self._encoder = CheckpointEncoder(checkpoint)
        self._limit = checkpoint.max_tokens
        self.longest = min(self._limit or _LONGEST, _LONGEST)
        typed = "token_type_ids" in checkpoint.input_names
        types: int = getattr(config, "type_vocab_size", 0) if typed else 0
        self._types = types if types > 1 else 0
        raw = (stage.name for stage in checkpoint.head.stages if stage.source == "raw")
        self._output = next(raw)

    def all(self, texts: Sequence[Any], examples: int, seed: int, run: Run) -> list[Case]:
        """The user's own texts, hard inputs, drawn inputs, and a near tie.

        Args:
            texts: the user's own texts; see :meth:`own`.
            examples: the number of drawn inputs.
            seed: the random seed.
            run: runs the reference, to find the near tie.

        Raises:
            InputError: one of the user's texts is not a text.
        """
        cases = [*self.own(texts), *self.hard(), *self.drawn(examples, seed)]
        return [*cases, self.tie(run, seed)] if ENCODINGS in self._forms else cases

    def drawn(self, examples: int, seed: int) -> list[Case]:
        """Draw texts, pairs and encodings.

        Args:
            examples: the number of inputs.
            seed: the random seed. It gives the same inputs with the same version of Hypothesis and
                the same loaded modules, because Hypothesis also draws constants from those.
        """
        kinds = {TEXTS: self._texts, PAIRS: self._pairs, ENCODINGS: self._encodings}
        strategy = st.one_of([kinds[form]() for form in kinds if form in self._forms])
        cases: list[Case] = []

        @with_seed(seed)
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
        return [self._within_budget(case) for case in cases]

    def own(self, texts: Sequence[Any]) -> list[Case]:
        """The user's own texts and pairs, one by one.

        Raises:
            InputError: one is not a text.
        """
        rows = [read(raw, index) for index, raw in enumerate(texts)]
        return [
            Case("own texts", (row.text,), None if row.pair is None else (row.pair,))
            for row in rows
        ]

    def hard(self) -> list[Case]:
        """Inputs that are known to reveal differences: masks, lengths, ids, all kinds of texts."""
        texts = [
            self._within_budget(Case(origin, rows, None if TEXTS in self._forms else rows[::-1]))
            for origin, rows in _HARD_TEXTS.items()
            if {TEXTS, PAIRS} & set(self._forms)
        ]
        encodings = [
            Case(origin, encoding=encoding)
            for origin, encoding in self._hard_encodings()
            if ENCODINGS in self._forms
        ]
        return [batch for case in texts + encodings for batch in self._batches(case)]

    def _batches(self, case: Case) -> list[Case]:
        """The case, or each of its rows if rows cannot share a batch."""
        return [case] if self._encoder.pads else [case.row(index) for index in range(case.rows)]

    def _within_budget(self, case: Case) -> Case:
        """The case with texts cut to the largest length of a batch, if the model takes more."""
        if not case.texts or self.longest == self._limit:
            return case
        rows = [self._cut(row) for row in case.read()]
        pairs = None if case.pairs is None else tuple(row.pair or "" for row in rows)
        return replace(case, texts=tuple(row.text for row in rows), pairs=pairs)

    def _cut(self, row: Text) -> Text:
        """The text, or the longer text of a pair, cut until both fit."""
        encoder = self._encoder
        while len(row.text) + len(row.pair or "") > 1:
            try:
                (encoded,) = encoder.tokenize([row], encoder.options({}))
            except InputError:  # a refused text stays as it is
                return row
            tokens = len(encoded.inputs["input_ids"])
            if tokens <= self.longest:
                return row
            if len(row.pair or "") > len(row.text):
                row = Text(row.text, _shortened(row.pair or "", self.longest / tokens))
            else:
                row = Text(_shortened(row.text, self.longest / tokens), row.pair)
        return row

    def tie(self, run: Run, seed: int) -> Case:
        """An encoding whose two best labels are as close as a short search brings them.

        Args:
            run: runs the reference.
            seed: the random seed of the search.
        """
        random = np.random.default_rng(seed)
        tokens = min(_TIE_TOKENS, self.longest)
        ids = self._random_ids(random, (_TIE_WIDTH if self._encoder.pads else 1, tokens))
        best, least = ids[:1], np.inf
        for _ in range(_TIE_ROUNDS):
            stages = run({"input_ids": ids, "attention_mask": np.ones_like(ids)})
            ranked = np.sort(stages.outputs[self._output])
            margins = ranked[:, -1] - ranked[:, -2] if ranked.shape[-1] > 1 else np.zeros(len(ids))
            row = int(margins.argmin())
            if margins[row] < least:
                best, least = ids[row : row + 1], margins[row]
            # Each row of the next round is the best row so far with one other token.
            ids = np.repeat(best, len(ids), axis=0)
            places = random.integers(0, tokens, len(ids))
            ids[np.arange(len(ids)), places] = self._random_ids(random, (len(ids),))
        return Case("near tie", encoding={"input_ids": best, "attention_mask": np.ones_like(best)})

    def _random_ids(self, random: np.random.Generator, shape: tuple[int, ...]) -> Any:
        ids = random.integers(0, self._vocabulary, shape)
        return np.where(ids == self.pad, (self.pad + 1) % self._vocabulary, ids)

    def _hard_encodings(self) -> Iterator[tuple[str, strategies.Encoding]]:
        last, tokens = self._vocabulary - 1, min(12, self.longest)
        random = np.random.default_rng(0)

        def encoding(ids: Any, mask: Any = None) -> strategies.Encoding:
            ids = np.asarray(ids, np.int64)
            mask = np.ones_like(ids) if mask is None else np.asarray(mask, np.int64)
            arrays = {"input_ids": np.where(mask, ids, self.pad), "attention_mask": mask}
            if self._types:
                arrays["token_type_ids"] = np.arange(ids.size).reshape(ids.shape) % self._types
            return arrays

        ids = self._random_ids(random, (4, tokens))
        place = np.arange(tokens)
        yield "fully masked rows", encoding(ids[:2], [[0] * tokens, [1] * tokens])
        yield "one token", encoding(ids[:2, :1])
        masks = [place < 2, place >= tokens - 2, place < 1, (place > 2) & (place < 6)]
        yield "padding on both sides", encoding(ids, masks)
        yield "repeated tokens", encoding(np.repeat(ids[:2, :1], tokens, axis=1))
        edges = [0, 1, last - 1, last]
        yield "edges of the vocabulary", encoding([edges, edges[::-1]])
        ids = self._random_ids(random, (2, self.longest))
        half = np.arange(self.longest) < max(self.longest // 2, 1)
        yield "longest length", encoding(ids, [np.ones_like(half), half])
        if (longest_row := min(self._limit or _LONGEST_ROW, _LONGEST_ROW)) > self.longest:
            yield "one long row", encoding(self._random_ids(random, (1, longest_row)))

    def _texts(self) -> st.SearchStrategy[Case]:
        single = strategies.texts.map(lambda text: [text])
        batches = strategies.batches if self._encoder.pads else single
        return batches.map(lambda texts: Case("drawn texts", tuple(texts)))

    def _pairs(self) -> st.SearchStrategy[Case]:
        single = strategies.pairs.map(lambda pairs: pairs[:1])
        batches = strategies.pairs if self._encoder.pads else single

        def case(pairs: list[tuple[str, str]]) -> Case:
            firsts, seconds = zip(*pairs, strict=True)
            return Case("drawn pairs", firsts, seconds)

        return batches.map(case)

    def _encodings(self) -> st.SearchStrategy[Case]:
        encodings = strategies.encodings(
            vocabulary=self._vocabulary,
            max_tokens=min(_DRAWN_TOKENS, self.longest),
            pad=self.pad,
            types=self._types,
            rows=None if self._encoder.pads else 1,
        )
        return encodings.map(lambda encoding: Case("drawn encodings", encoding=encoding))


def _shortened(text: str, share: float) -> str:
    """A share of the text from its start, at least one character less than all of it."""
    return text[: min(int(len(text) * share), len(text) - 1)]
