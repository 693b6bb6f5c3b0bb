"""Compiles ``tokenizer.json`` to a graph."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, cast

import tensorflow as tf
import tokenizers

from diglot.errors import InputError, TokenizationError, TokenizerNotSupportedError
from diglot.tokenization import postprocessing
from diglot.tokenization.added_tokens import AddedTokens
from diglot.tokenization.builders import build_model, build_normalizer, build_pre_tokenizer
from diglot.tokenization.components import REMEDY, Normalizer, PreTokenizer
from diglot.tokenization.graph_tokenizer import GraphTokenizer
from diglot.tokenization.postprocessing import Padding, Side, Strategy, Truncation
from diglot.tokenization.pre_tokenizers import PreTokenizerSequence, WholeText

# Each compiled tokenizer must give the library's ids for these texts.
_PROBES: Final = (
    "",
    " ",
    "Hello, world! I don't think it's 1999.99, do you?",
    "  leading and  doubled   blanks\tand\nlines \r\n ",
    "caf\u00e9 cafe\u0301 STRASSE stra\u00dfe \u0130stanbul"
    " \u03a3\u03af\u03c3\u03c5\u03c6\u03bf\u03c2",
    "\u6771\u4eac\u90fd \u0e2a\u0e27\u0e31\u0e2a\u0e14\u0e35 \u0645\u0631\u062d\u0628\u0627"
    " \u0928\u092e\u0938\u094d\u0924\u0947 \ud55c\uad6d\uc5b4",
    "\U0001f469\u200d\U0001f469\u200d\U0001f467 \U0001f642\ufe0f \ufb01nal \u00bd \u2460 \uff21",
    "a\u0000b\u200bc\u00add\ufeffe\ufffdf\u2028g\u00a0h\u3000i\u0085j",
    "a\u0301\u0323 \u0323\u0301a \u1100\u1161\u11a8 \u0f71\u0f72 a\u302e\u1b44",
    "x" * 300,
    "ab" * 120 + " <s></s> [CLS] [SEP] <|endoftext|> </s>",
)


def compile_tokenizer(
    tokenizer: str | os.PathLike[str] | Mapping[str, Any],
    *,
    add_special_tokens: bool = True,
    max_length: int | None = None,
    truncation: Strategy | None = None,
    truncation_side: Side | None = None,
    padding_length: int | str | None = None,
    pad_to_multiple_of: int | None = None,
    padding_side: Side | None = None,
    pad_token_id: int | None = None,
    pad_token_type_id: int | None = None,
) -> GraphTokenizer:
    """Compile a tokenizer to a TensorFlow graph that gives the same ids for every text.

    Arguments that are None have the values of the file, in its sections ``truncation`` and
    ``padding``. The equivalent of transformers' ``padding=True, truncation=True, max_length=n`` is
    ``padding_length="longest", truncation="longest_first", max_length=n``, with the
    ``truncation_side``, ``padding_side``, ``pad_token_id`` and ``pad_token_type_id`` of
    transformers' tokenizer.

    Args:
        tokenizer: the path of ``tokenizer.json`` or of its folder, or the content of the file.
        add_special_tokens: add the special tokens of the post-processor.
        max_length: the largest number of tokens of a row, special tokens included. Longer texts
            are cut.
        truncation: the text of a pair that is cut: ``"longest_first"``, ``"only_first"`` or
            ``"only_second"``; or ``"do_not_truncate"``.
        truncation_side: the side of a text that is cut off.
        padding_length: pad rows to this number of tokens, or to the ``"longest"`` of the batch.
        pad_to_multiple_of: pad rows to a multiple of this number of tokens.
        padding_side: the side of a row that is padded.
        pad_token_id: the id that pads ``input_ids``.
        pad_token_type_id: the id that pads ``token_type_ids``.

    Returns:
        The tokenizer. It has been compared with the library on a few difficult texts.

    Raises:
        TokenizerNotSupportedError: a component of the file has no exact counterpart; the message
            names the component.
        TokenizationError: the file cannot be read.
        InputError: an argument is invalid.
    """
    content = _read(tokenizer)
    try:
        library = tokenizers.Tokenizer.from_str(content)
    except Exception as error:  # The library raises no more specific class.
        raise TokenizationError(
            f"the tokenizers library {tokenizers.__version__} cannot read the tokenizer: {error};"
            " save the tokenizer again, or install the version that saved it"
        ) from error
    spec = _canonical(library, json.loads(content))
    templates = postprocessing.templates(spec["post_processor"])
    if not add_special_tokens:
        single, pair = map(postprocessing.without_special_tokens, templates)
        templates = single, pair
    row_truncation = _truncation(spec["truncation"], max_length, truncation, truncation_side)
    reserved = postprocessing.special_tokens(templates[0])
    if row_truncation and row_truncation.max_length < reserved:
        raise InputError(
            f"max_length={row_truncation.max_length} leaves no room for the {reserved} special"
            f" tokens; pass at least {reserved}, or add_special_tokens=False"
        )
    row_padding = _padding(
        spec["padding"],
        padding_length,
        pad_to_multiple_of,
        padding_side,
        pad_token_id,
        pad_token_type_id,
    )
    normalizer = build_normalizer(spec["normalizer"]) if spec["normalizer"] else None
    pre_tokenizer: PreTokenizer = WholeText()
    if spec["pre_tokenizer"]:
        pre_tokenizer = build_pre_tokenizer(spec["pre_tokenizer"])
    _check_start(spec, normalizer, pre_tokenizer)
    compiled = GraphTokenizer(
        added=AddedTokens(spec["added_tokens"], normalizer, library.normalizer),
        pre_tokenizer=pre_tokenizer,
        model=build_model(spec["model"]),
        templates=templates,
        truncation=row_truncation,
        padding=row_padding,
        versions={"tensorflow": tf.__version__, "tokenizers": tokenizers.__version__},
    )
    _verify(compiled, library, row_truncation, add_special_tokens)
    return compiled


def _read(tokenizer: str | os.PathLike[str] | Mapping[str, Any]) -> str:
    if isinstance(tokenizer, Mapping):
        return json.dumps(tokenizer)
    path = Path(tokenizer)
    if path.is_dir():
        path /= "tokenizer.json"
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise TokenizationError(
            f"cannot read {path}: {error}; expected a tokenizer.json, which the save_pretrained of"
            " a fast tokenizer writes"
        ) from error


def _canonical(library: tokenizers.Tokenizer, content: dict[str, Any]) -> dict[str, Any]:
    """Return the file with the library's defaults for everything that older files lack.

    The vocabulary of pieces and ids comes from the file, because the library writes only one of the
    pieces with the same id. A vocabulary of scores comes from the library, because it parses them
    less exactly than Python and uses the scores that it has parsed.
    """
    spec = json.loads(library.to_str())
    vocabulary = content["model"].get("vocab")
    if isinstance(vocabulary, dict):
        spec["model"]["vocab"] = vocabulary
    return cast(dict[str, Any], spec)


def _truncation(
    spec: dict[str, Any] | None,
    max_length: int | None,
    strategy: Strategy | None,
    side: Side | None,
) -> Truncation | None:
    spec = spec or {}
    names = {
        "LongestFirst": "longest_first",
        "OnlyFirst": "only_first",
        "OnlySecond": "only_second",
    }
    strategy = strategy or cast(Strategy, names[spec.get("strategy", "LongestFirst")])
    max_length = spec.get("max_length") if max_length is None else max_length
    side = side or cast(Side, spec.get("direction", "Right").lower())
    if max_length is None or strategy == "do_not_truncate":
        return None
    if max_length < 1:
        raise InputError(f"max_length={max_length} is less than one token; pass at least 1")
    _check_choice("truncation", strategy, tuple(names.values()))
    _check_choice("truncation_side", side, ("left", "right"))
    return Truncation(max_length, strategy, side)


def _padding(
    spec: dict[str, Any] | None,
    length: int | str | None,
    multiple: int | None,
    side: Side | None,
    pad_id: int | None,
    type_id: int | None,
) -> Padding:
    if pad_id is None and spec is None:
        raise InputError(
            "the tokenizer has no section padding, so the id of the padding is unknown; pass"
            " pad_token_id"
        )
    spec = spec or {}
    strategy = spec.get("strategy", "BatchLongest")
    if length is None and isinstance(strategy, dict):
        length = strategy["Fixed"]
    if isinstance(length, str):
        _check_choice("padding_length", length, ("longest",))
        length = None
    side = side or cast(Side, spec.get("direction", "Right").lower())
    _check_choice("padding_side", side, ("left", "right"))
    return Padding(
        length=length,
        multiple=spec.get("pad_to_multiple_of") if multiple is None else multiple,
        side=side,
        id=spec["pad_id"] if pad_id is None else pad_id,
        type_id=spec.get("pad_type_id", 0) if type_id is None else type_id,
    )


def _check_choice(name: str, value: str, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise InputError(
            f"{name}={value!r} is invalid; pass one of {', '.join(map(repr, allowed))}"
        )


def _check_start(
    spec: dict[str, Any], normalizer: Normalizer | None, pre_tokenizer: PreTokenizer
) -> None:
    """Check that the graph and the library agree on which words are at the start of a text."""
    if not normalizer or not pre_tokenizer.uses_start:
        return
    if not normalizer.keeps_start:
        raise TokenizerNotSupportedError(
            f"normalizer {spec['normalizer']['type']} before pre_tokenizer"
            f" {spec['pre_tokenizer']['type']}",
            "the pre-tokenizer treats the first word of a text differently, and the normalizer can"
            " drop the first characters of the text, after which the library has no first word",
            f'use prepend_scheme "always" or "never", or {REMEDY}',
        )
    # If the first character became several characters that are cut apart, the library treats each
    # part as the first word.
    normalized = [token["content"] for token in spec["added_tokens"] if token["normalized"]]
    cuts_again = isinstance(pre_tokenizer, PreTokenizerSequence) and (
        pre_tokenizer.uses_start_after_cut
    )
    if normalizer.expands and (normalized or cuts_again):
        component = f"added_tokens {normalized[0]!r}" if normalized else "pre_tokenizer Sequence"
        raise TokenizerNotSupportedError(
            f"{component} after normalizer {spec['normalizer']['type']}",
            "the pre-tokenizer treats the first word of a text differently, and the normalizer can"
            " make several characters of the first character, after which the library has several"
            " first words",
            f'use prepend_scheme "always" or "never", or tokens that are not normalized,'
            f" or {REMEDY}",
        )


def _verify(
    compiled: GraphTokenizer,
    library: tokenizers.Tokenizer,
    truncation: Truncation | None,
    add_special_tokens: bool,
) -> None:
    """Compare the graph with the library, whose behavior may differ in another version."""
    library.no_padding()
    if truncation and truncation.strategy != "only_second":
        library.enable_truncation(truncation.max_length, direction=truncation.side)
    elif truncation:
        return
    else:
        library.no_truncation()
    encoding = compiled.encode(tf.constant(_PROBES))
    rows = tf.ragged.boolean_mask(encoding["input_ids"], encoding["attention_mask"] == 1).to_list()
    for text, row in zip(_PROBES, rows, strict=True):
        expected = library.encode(text, add_special_tokens=add_special_tokens).ids
        if row != expected:
            raise TokenizerNotSupportedError(
                f"this tokenizer with tokenizers {tokenizers.__version__}",
                f"for {text!r} the graph gives the ids {row}, and the library {expected}",
                f"report this text, and until it is solved {REMEDY}",
            )
