"""Results of checks that never ran: small and large, equal and different, honest and hostile."""

import math
import random
from dataclasses import replace
from pathlib import Path

import numpy as np

from diglot.equality.cases import Case
from diglot.parity.result import (
    ENCODING,
    HIDDEN_STATES,
    LOGITS,
    PROBABILITIES,
    STAGES,
    Answer,
    Change,
    CheckResult,
    Failure,
    Flip,
    Input,
    Invariant,
    Layer,
    Stage,
    Token,
)

SENTENCES = (
    "I've been waiting for a HuggingFace course my whole life.",
    "I hate this so much!",
    "The film was not a good one, but I loved every minute of it.",
    "naïve café in Zürich 🙂",
    "هذا الفيلم رائع",
    "",
)
ORIGINS = ("drawn texts", "drawn encodings", "fully masked rows", "one token", "longest length")
VERSIONS = {
    "diglot": "0.1.0",
    "torch": "2.13.0",
    "tensorflow": "2.21.0",
    "transformers": "5.23.0",
    "python": "3.11.14",
    "platform": "Linux-6.8-x86_64",
}


def equal(count: int = 100, *, seed: int = 0, layers: int = 6) -> CheckResult:
    """A check that found nothing; errors of a size that rounding makes."""
    rng = random.Random(seed)
    return CheckResult(
        checkpoint="distilbert-base-uncased-finetuned-sst-2-english",
        reference="torch",
        against="tensorflow",
        precision="float32",
        tolerance="4 times the reference's error and 8 roundings",
        seed=seed,
        labels=("NEGATIVE", "POSITIVE"),
        stages=(
            Stage(ENCODING, count, 0, 0.0, 0.0, 0.0),
            Stage(HIDDEN_STATES, count, 0, 0.41, 3.1e-6, 2.4e-6),
            Stage(LOGITS, count, 0, 0.37, 1.2e-6, 9.8e-7),
            Stage(PROBABILITIES, count, 0, 0.22, 2.2e-7, 1.9e-7),
        ),
        invariants=(
            *(
                Invariant(side, name, count, 0)
                for name in ("alone as in a batch", "with more padding", "int32 as int64")
                for side in ("torch", "tensorflow")
            ),
            Invariant("torch", "under XLA", 0, 0, "torch has no such way to run"),
            Invariant("tensorflow", "under XLA", count, 0),
        ),
        layers=tuple(
            Layer(
                "embeddings" if number == 0 else f"layer {number}",
                1.1e-7 * 1.6**number,
                1.4e-7 * 1.58**number,
                7e-7 * 1.6**number,
            )
            for number in range(layers + 1)
        ),
        inputs=tuple(_input(rng, number) for number in range(count)),
        flips=(Flip(17, 1, "POSITIVE", "NEGATIVE", 4.1e-7, 2.3e-6, SENTENCES[2]),),
        failures=(),
        changes=(),
        versions=VERSIONS,
        date="2026-11-23T09:05:07+00:00",
        seconds=83.4,
    )


def different() -> CheckResult:
    """A check of a program whose third layer is wrong."""
    found = equal()
    encoding = {
        "input_ids": np.array([[101, 1045, 102, 0], [101, 102, 0, 0]]),
        "attention_mask": np.array([[1, 1, 1, 0], [0, 0, 0, 0]]),
    }
    smallest = Case("drawn texts", ("so much!",))
    inputs = list(found.inputs)
    for number, times in ((3, 41.0), (8, 7.5), (21, 2.4), (40, math.inf), (77, 1.3)):
        inputs[number] = replace(
            inputs[number],
            ratios=dict.fromkeys(STAGES[1:], times) | {ENCODING: 0.0},
            answers=(
                Answer((0.62, 0.38), (0.41, 0.59), flipped=number in (3, 40)),
                Answer((0.1, 0.9), (0.22, 0.78)),
            ),
            tokens=tuple(_tokens(text, times) for text in SENTENCES[:2]),
        )
    inputs[55] = Input(Case("longest length", ("x " * 600,)), {}, refused="600 tokens, 512 at most")
    return replace(
        found,
        stages=(
            found.stages[0],
            Stage(HIDDEN_STATES, 99, 5, math.inf, math.inf, 2.4e-6),
            Stage(LOGITS, 99, 5, 41.0, 0.031, 9.8e-7),
            Stage(PROBABILITIES, 99, 5, 41.0, 0.21, 1.9e-7),
        ),
        invariants=(replace(found.invariants[0], broken=2), *found.invariants[1:]),
        layers=tuple(
            replace(layer, actual=layer.actual * (40000 if number >= 3 else 1))
            for number, layer in enumerate(found.layers)
        ),
        inputs=tuple(inputs),
        flips=(
            *found.flips,
            Flip(3, 0, "NEGATIVE", "POSITIVE", 0.49, 2.3e-6, SENTENCES[1]),
            Flip(40, 0, "NEGATIVE", "POSITIVE", 0.02, 2.3e-6),
        ),
        failures=(
            Failure(
                HIDDEN_STATES,
                "tensorflow against torch",
                smallest,
                Case("drawn texts", SENTENCES[:3]),
                "hidden state 3: at [0, 2, 511] tensorflow has 0.1142 and torch 0.0831; in float64"
                " it is 0.08310021. The error 0.0311 exceeds the limit 1.2e-05, and 212 of 3072"
                " elements do",
                Path("failures/hidden-states-1.json"),
                "diglot check --replay failures/hidden-states-1.json",
            ),
            Failure(
                "alone as in a batch",
                "torch",
                Case("drawn encodings", encoding=encoding),
                Case("drawn encodings", encoding=encoding),
                "logits: row 1 alone is 0.25 off",
            ),
        ),
    )


SCRIPT = "</script><script>document.title='struck'</script>"
IMAGE = '"><img src=x onerror="document.title=\'struck\'"><svg onload="document.title=\'struck\'">'
TEMPLATE = "{{ 7 * 191 }}{% raw %}"
OVERRIDE = "\u202egpj.exe\u202c\u2066\u200f"
CONTROLS = "\x00\x07\x1b[31m\r\n\u2028\ufeff\ufffe"
LONG = "W" * 100_000
HOSTILE = (SCRIPT, IMAGE, TEMPLATE, OVERRIDE, CONTROLS, LONG, "--><!--", "]]>", "</style>")


def hostile() -> CheckResult:
    """The same, where whatever comes from elsewhere strikes at who reads the report."""
    found = different()
    all_of_them = " ".join(HOSTILE)
    tokens = tuple(Token(number, text, 2.0) for number, text in enumerate(HOSTILE))
    labels = (SCRIPT, IMAGE + OVERRIDE + CONTROLS)
    struck = Failure(
        LOGITS,
        all_of_them,
        Case(all_of_them, HOSTILE, HOSTILE[::-1]),
        Case(all_of_them, HOSTILE),
        all_of_them,
        Path(SCRIPT.replace("/", "|") + OVERRIDE),
        "diglot check --replay '" + SCRIPT + IMAGE + OVERRIDE + "'",
    )
    return replace(
        found,
        checkpoint=all_of_them,
        reference=SCRIPT,
        against=IMAGE + OVERRIDE,
        precision=SCRIPT,
        tolerance=IMAGE,
        labels=labels,
        stages=(Stage(ENCODING, 0, 0, 0.0, 0.0, 0.0, absent=all_of_them), *found.stages[1:]),
        invariants=(
            Invariant(SCRIPT, IMAGE, 3, 1),
            Invariant(IMAGE, SCRIPT, 0, 0, absent=all_of_them),
        ),
        layers=tuple(replace(layer, name=all_of_them) for layer in found.layers),
        inputs=(
            Input(
                Case(all_of_them, HOSTILE),
                dict.fromkeys(STAGES, 3.0),
                (Answer((math.nan, 0.5), (math.inf, 0.5), True),),
                tokens=(tokens,),
            ),
            Input(Case(IMAGE, (SCRIPT,)), {}, refused=all_of_them),
            *found.inputs[2:],
        ),
        flips=tuple(Flip(0, 0, label, label[::-1], 1.0, 0.5, all_of_them) for label in labels),
        failures=(struck,),
        changes=(Change(SCRIPT, IMAGE, OVERRIDE), Change(all_of_them, "", all_of_them)),
        date=SCRIPT,
        versions={SCRIPT: IMAGE, OVERRIDE: CONTROLS},
    )


def broken(count: int = 1000) -> CheckResult:
    """As large as it gets: everything differs, everything is long, no two points meet."""
    rng = random.Random(1)
    found = equal(count, layers=48)
    labels = tuple(f"label {number} of a taxonomy" for number in range(20))
    text = "A sentence of some length, as reviews of films have them. " * 10

    def answer() -> Answer:
        return Answer(
            tuple(rng.random() for _ in labels), tuple(rng.random() for _ in labels), flipped=True
        )

    def tokens() -> tuple[Token, ...]:
        return tuple(Token(rng.randrange(30_000), "##token", rng.random() * 9) for _ in range(512))

    inputs = tuple(
        Input(
            Case(f"drawn texts, kind {number % 9}", (f"{number} {text}",) * 8),
            {stage: rng.random() * 100 for stage in STAGES},
            tuple(answer() for _ in range(8)),
            tokens=tuple(tokens() for _ in range(8)) if number < 50 else (),
        )
        for number in range(count)
    )
    failure = different().failures[0]
    return replace(
        found,
        labels=labels,
        stages=tuple(Stage(name, count, count, 100.0, 1.0, 1e-7) for name in STAGES),
        inputs=inputs,
        flips=tuple(
            Flip(number, row, labels[0], labels[1], 1.0, 1e-6, f"{number} {text}")
            for number in range(count)
            for row in range(8)
        ),
        failures=tuple(replace(failure, case=one.case, found_in=one.case) for one in inputs),
    )


def _input(rng: random.Random, number: int) -> Input:
    rows = 2 if number == 17 else rng.randint(1, 4)
    texts = tuple(rng.choice(SENTENCES) for _ in range(rows))
    ratio = min(0.4, rng.lognormvariate(-2.2, 0.7))
    answers = []
    for _ in range(rows):
        share = rng.betavariate(0.5, 0.5)
        apart = min(1.0, share + 1e-7)
        answers.append(Answer((share, 1 - share), (apart, 1 - apart)))
    if number == 17:
        answers[-1] = Answer((0.49999993, 0.50000007), (0.50000002, 0.49999998), flipped=True)
    return Input(
        Case(ORIGINS[number % len(ORIGINS)], texts),
        {
            ENCODING: 0.0,
            HIDDEN_STATES: ratio,
            LOGITS: ratio * rng.random(),
            PROBABILITIES: 0.0 if number % 7 == 0 else ratio * 0.5 * rng.random(),
        },
        tuple(answers),
        tokens=tuple(_tokens(text, ratio) for text in texts) if number in (4, 9, 30) else (),
    )


def _tokens(text: str, worst: float) -> tuple[Token, ...]:
    """The words of a text, the last of them the worst."""
    words = ["[CLS]", *text.split(), "[SEP]"]
    shares = [(place + 1) / len(words) for place in range(len(words))]
    return tuple(
        Token(1000 + len(word) * 37, word, worst * share**4)
        for word, share in zip(words, shares, strict=True)
    )
