"""The report of a trace: the first divergent step, the blocks, the table, and the JSON facts."""

import json
import math
from dataclasses import replace

from diglot.parity.trace import Layer, Step, Trace


def step(node, module, operator="aten.linear.default", **changes):
    result = Step(
        node=node,
        module=module,
        operator=operator,
        dtype="float32",
        shape=(2, 3),
        scale=4.0,
        expected=1e-7,
        actual=2e-7,
        growth=0.0,
        expected_here=1e-8,
        actual_here=2e-8,
        limit=4e-6,
        ratio=0.005,
    )
    return replace(result, **changes)


STEPS = (
    step("p_weight", "bert.encoder.layer.0.dense.weight", "parameter", ratio=9.0),
    step("embedding", "bert.embeddings.word_embeddings", expected=0.0, growth=0.1),
    step("sizes", "bert.embeddings", dtype="int64", actual=7.0, growth=9.0),
    step("norm", "bert.embeddings.LayerNorm", actual=3e-7, growth=0.2),
    step("one", "bert.encoder.layer.0.dense", ratio=0.5),
    step("slice", "bert.encoder.layer.0", growth=5.0, actual_here=0.0, actual=5e-7),
    step("eleven", "bert.encoder.layer.11.dense", dtype="bfloat16"),
    step("pool", "", actual=6e-7),
)


def traced(*steps, **changes):
    result = Trace(
        "a/b", "PyTorch in float32", "TensorFlow in float32", {"input_ids": (2, 5)}, steps
    )
    return replace(result, **changes)


def test_a_trace_without_a_divergence():
    result = traced(*STEPS)

    assert result.equal
    assert result.first_divergent is None
    assert str(result).splitlines()[:2] == [
        "TensorFlow in float32 against PyTorch in float32, a/b: no operator diverges",
        "  8 weights and operators; input_ids [2, 5]",
    ]


def test_the_first_divergent_step_is_named():
    steps = [*STEPS]
    steps[3] = replace(steps[3], reason="too far", actual_here=math.inf)
    steps[6] = replace(steps[6], reason="further still")
    result = traced(*steps)

    assert not result.equal
    assert result.first_divergent is steps[3]
    lines = str(result).splitlines()
    assert lines[0].endswith(": DIFFERENT")
    assert (
        "  the first to diverge is bert.embeddings.LayerNorm: aten.linear.default (norm),"
        " float32 [2, 3]"
    ) in lines
    assert "    too far" in lines
    assert "  on the same inputs as the reference, 1 more diverge" in lines
    # Three lines before it, three after it, and an arrow at the divergent ones.
    table = [
        line for line in lines if "aten.linear" in line and "e-0" in line and "first" not in line
    ]
    marked = [line.split("(")[1].split(")")[0] for line in table if line.startswith("  >")]
    assert marked == ["norm", "eleven"]
    assert "pool" not in str(table)


def test_a_difference_outside_the_operators():
    result = traced(*STEPS, elsewhere=("it is in the whole",))

    assert (result.equal, result.first_divergent) == (False, None)
    assert "  it is in the whole" in str(result).splitlines()
    assert "DIFFERENT" in str(result)


def test_the_blocks_are_listed_in_order():
    result = traced(*STEPS)

    assert result.layers == (
        Layer("bert.embeddings", 1e-7, 3e-7, 4.0, 0.005),
        Layer("bert.encoder.layer.0", 1e-7, 5e-7, 4.0, 0.5),
        Layer("bert.encoder.layer.11", 1e-7, 2e-7, 4.0, 0.005),
        Layer("(the model itself)", 1e-7, 6e-7, 4.0, 0.005),
    )
    assert [line.split()[0] for line in str(result).splitlines()[-4:]] == [
        "bert.embeddings",
        "bert.encoder.layer.0",
        "bert.encoder.layer.11",
        "(the",
    ]


def test_the_error_grows_only_in_an_operator_that_computes():
    assert traced(*STEPS).grown is STEPS[3]
    assert traced(STEPS[0], STEPS[2]).grown is None


def test_every_operator_can_be_printed():
    lines = traced(*STEPS).text(every=True).splitlines()

    assert len(lines) == 4 + 1 + len(STEPS)
    assert lines[-1].split()[-6:] == [
        "4.0e+00",
        "1.0e-07",
        "6.0e-07",
        "1.0e-08",
        "2.0e-08",
        "4.0e-06",
    ]
    assert len({len(line) for line in lines[4:]}) == 1


def test_the_facts_are_json():
    steps = (*STEPS, step("last", "head", reason="NaN", actual=math.inf, limit=math.nan))
    facts = json.loads(json.dumps(traced(*steps).facts(), allow_nan=False))

    assert facts["equal"] is False
    assert facts["first_divergent"]["node"] == "last"
    assert (facts["first_divergent"]["actual"], facts["first_divergent"]["limit"]) == (
        "Infinity",
        "NaN",
    )
    assert facts["shapes"] == {"input_ids": [2, 5]}
    assert [item["node"] for item in facts["steps"]] == [item.node for item in steps]
    assert facts["layers"][-1]["name"] == "head"
    assert traced(*STEPS).facts()["first_divergent"] is None
