"""Faults of the tokenizer: a wrong file, or a wrong call."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from diglot import checkpoints
from diglot.equality.sides import ClassifierSide, Side
from diglot.preprocessing import CheckpointEncoder

from ..bytelevel_checkpoints import LLAMA3
from .fault import Fault
from .ground import Ground, edit

_BY_TWOS = LLAMA3.replace("{1,3}", "{1,2}")


@dataclass(frozen=True)
class Setting:
    """A ``tokenizer.json`` with one thing changed.

    Attributes:
        change: changes the file's content in place.
    """

    change: Callable[[Any], object]

    @contextmanager
    def __call__(self, ground: Ground) -> Iterator[Side]:
        """Plant it."""
        with ground.copied() as folder:
            file = folder / "tokenizer.json"
            whole = json.loads(file.read_text("utf-8"))
            self.change(whole)
            file.write_text(json.dumps(whole), "utf-8")
            yield ClassifierSide.of(checkpoints.find(folder), ground.backend)


@dataclass(frozen=True)
class Configured:
    """A ``tokenizer_config.json`` with one thing changed.

    Attributes:
        name: the setting's name.
        value: the wrong value.
    """

    name: str
    value: Any

    @contextmanager
    def __call__(self, ground: Ground) -> Iterator[Side]:
        """Plant it."""
        with ground.copied() as folder:
            edit(folder / "tokenizer_config.json", **{self.name: self.value})
            yield ClassifierSide.of(checkpoints.find(folder), ground.backend)


@dataclass(frozen=True)
class Called:
    """A tokenizer that is called wrongly.

    Attributes:
        wrong: called with the right method and its arguments.
    """

    wrong: Callable[..., Any]

    @contextmanager
    def __call__(self, ground: Ground) -> Iterator[Side]:
        """Plant it."""
        side = ClassifierSide.of(checkpoints.find(ground.path), ground.backend)
        # An encoder has a tokenizer of its own.
        tokenizer = side.classifier.encoder._tokenizer
        right: Any = type(tokenizer)

        def call(tokenizer: Any, *args: Any, **options: Any) -> Any:
            return self.wrong(partial(right.__call__, tokenizer), *args, **options)

        tokenizer.__class__ = type(right.__name__, (right,), {"__call__": call})
        yield side


def _normalizer(**changes: Any) -> Setting:
    return Setting(lambda whole: whole["normalizer"].update(changes))


def _model(**changes: Any) -> Setting:
    return Setting(lambda whole: whole["model"].update(changes))


def _part(section: str, list_name: str, at: int, **changes: Any) -> Setting:
    """A change to one part of a sequence; a part without changes is left out."""

    def change(whole: Any) -> None:
        if changes:
            whole[section][list_name][at].update(changes)
        else:
            del whole[section][list_name][at]

    return Setting(change)


def _exchanged_ids(one: str, other: str) -> Setting:
    def change(whole: Any) -> None:
        vocabulary = whole["model"]["vocab"]
        vocabulary[one], vocabulary[other] = vocabulary[other], vocabulary[one]

    return Setting(change)


def _specials_exchanged(whole: Any) -> None:
    single = whole["post_processor"]["single"]
    single[0], single[-1] = single[-1], single[0]


def _one_separator(whole: Any) -> None:
    """BERT's form of a pair in place of RoBERTa's."""
    sep, cls = whole["post_processor"]["sep"], whole["post_processor"]["cls"]
    first, last = ({"SpecialToken": {"id": name, "type_id": 0}} for name in (cls[0], sep[0]))
    texts = [{"Sequence": {"id": name, "type_id": 0}} for name in "AB"]
    whole["post_processor"] = {
        "type": "TemplateProcessing",
        "single": [first, texts[0], last],
        "pair": [first, texts[0], last, texts[1], last],
        "special_tokens": {
            name: {"id": name, "ids": [number], "tokens": [name]} for name, number in (sep, cls)
        },
    }


def _one_type(whole: Any) -> None:
    for part in whole["post_processor"]["pair"]:
        for each in part.values():
            each["type_id"] = 0


@dataclass(frozen=True)
class Padded:
    """An encoder that pads wrongly.

    Attributes:
        wrong: called with the right method and its arguments.
    """

    wrong: Callable[..., Any]

    @contextmanager
    def __call__(self, ground: Ground) -> Iterator[Side]:
        """Plant it."""

        def pad(encoder: Any, rows: Any, options: Any) -> Any:
            return self.wrong(partial(CheckpointEncoder.pad, encoder), rows, options)

        kind: Any = type("Faulty", (CheckpointEncoder,), {"pad": pad})
        found = ground.checkpoint
        yield ClassifierSide(found.task, kind(found), ground.backend)


def _batch(change: Callable[[Any], Any]) -> Padded:
    """An encoder that changes arrays of a padded batch."""

    def wrong(right: Any, rows: Any, options: Any) -> Any:
        arrays = right(rows, options)
        return {**arrays, **change(arrays)}

    return Padded(wrong)


def _in_eights(right: Any, rows: Any, options: Any) -> Any:
    return right(rows, {**options, "pad_to_multiple_of": 8})


def _first_only(right: Any, texts: Any, seconds: Any = None, **options: Any) -> Any:
    cut = {"truncation": "only_first"} if seconds is not None else {}
    return right(texts, seconds, **{**options, **cut})


FAULTS = (
    # Normalization.
    Fault("accents kept", "bert", _normalizer(strip_accents=False)),
    Fault("capitals kept", "distilbert", _normalizer(lowercase=False, strip_accents=True)),
    Fault("Chinese characters not set apart", "electra", _normalizer(handle_chinese_chars=False)),
    Fault("control characters kept", "mpnet", _normalizer(clean_text=False)),
    Fault("the step that strips accents left out", "albert", _part("normalizer", "normalizers", 3)),
    Fault("no compatibility forms", "camembert", _part("normalizer", "normalizers", 0)),
    Fault(
        "runs of spaces kept",
        "deberta-v2",
        _part("normalizer", "normalizers", 0, pattern={"Regex": r"[\n\r\t]"}),
    ),
    Fault("spaces at the end kept", "deberta-v2", _part("normalizer", "normalizers", 2)),
    Fault("no composition", "modernbert", Setting(lambda whole: whole.update(normalizer=None))),
    Fault("decomposed for composed", "modernbert", _normalizer(type="NFD")),
    # Words.
    Fault(
        "no space before the first word",
        "roberta",
        Setting(lambda whole: whole["pre_tokenizer"].update(add_prefix_space=False)),
    ),
    Fault(
        "digits by twos, not threes",
        "llama",
        _part("pre_tokenizer", "pretokenizers", 0, pattern={"Regex": _BY_TWOS}),
    ),
    Fault(
        "a space only before the first word",
        "xlm-roberta",
        _part("pre_tokenizer", "pretokenizers", 1, prepend_scheme="first"),
    ),
    # Pieces.
    Fault("words of 99 characters unknown", "bert", _model(max_input_chars_per_word=99)),
    Fault(
        "another prefix for what continues a word", "electra", _model(continuing_subword_prefix="#")
    ),
    Fault("two frequent tokens exchanged", "mpnet", _exchanged_ids("the", "was")),
    Fault(
        "the first merge left out", "gpt2", Setting(lambda whole: whole["model"]["merges"].pop(0))
    ),
    Fault(
        "the last merge left out",
        "roberta",
        Setting(lambda whole: whole["model"]["merges"].pop()),
        missed="It makes the end of words such as 'design', which none of the inputs has.",
    ),
    Fault(
        "words that are tokens merged all the same",
        "llama",
        _model(ignore_merges=False),
        missed="Each token of this vocabulary is also what its merges make, so that both ways say"
        " the same.",
    ),
    Fault(
        "unknown characters as another token",
        "xlm-roberta",
        Setting(lambda whole: whole["model"].update(unk_id=2)),
    ),
    Fault(
        "special tokens in a text read as text",
        "distilbert",
        Setting(lambda whole: whole.update(added_tokens=whole["added_tokens"][:-1])),
    ),
    # Special tokens, token types, padding, truncation.
    Fault("[CLS] and [SEP] exchanged", "bert", Setting(_specials_exchanged)),
    Fault("one separator between two texts", "roberta", Setting(_one_separator)),
    Fault("token types all zero", "bert", Setting(_one_type)),
    Fault("padded on the left", "electra", Configured("padding_side", "left")),
    Fault(
        "another padding token",
        "bert",
        _batch(
            lambda batch: {"input_ids": np.where(batch["attention_mask"], batch["input_ids"], 103)}
        ),
    ),
    Fault(
        "the mask padded with ones",
        "camembert",
        _batch(lambda batch: {"attention_mask": np.ones_like(batch["attention_mask"])}),
    ),
    Fault(
        "padded to a multiple of eight",
        "distilbert",
        Padded(_in_eights),
    ),
    Fault("cut one token early", "modernbert", Configured("model_max_length", 47)),
    Fault("cut one token late", "gpt2", Configured("model_max_length", 49)),
    Fault("cut on the left", "albert", Configured("truncation_side", "left")),
    Fault("only the first of two texts cut", "electra", Called(_first_only)),
)
