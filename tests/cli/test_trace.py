"""``diglot trace``: its output, its files and its exit codes."""

import json

import pytest

pytest.importorskip("tensorflow")


def test_equal_operators_exit_with_0(run, tiny, tmp_path):
    file = tmp_path / "trace.json"
    code, out, err = run("trace", tiny, "-t", "a b", "-t", "c", "--json", file)

    assert (code, err) == (0, "")
    assert out.startswith(f"TensorFlow in float32 against PyTorch in float32, {tiny}: no operator")
    assert "input_ids [2, 4]" in out
    assert "  bert.encoder.layer.1 " in out
    facts = json.loads(file.read_text())
    assert facts["equal"] is True
    assert facts["checkpoint"] == str(tiny)


def test_the_first_different_operator_is_named(run, tiny, monkeypatch):
    import torch

    from diglot.lowering import REGISTRY

    with REGISTRY.replaced(torch.ops.aten.tanh.default, lambda self: 0.9 * self):
        code, out, err = run("trace", tiny, "-t", "a", "--pair", "b", "--all")

    assert (code, err) == (1, "")
    first = "bert.pooler.activation: aten.tanh.default (tanh), float32 [1, 16]"
    assert f"  the first to diverge is {first}" in out
    assert "input_ids [1, 5]" in out
    assert "  bert.encoder.layer.1 " not in out


def test_another_precision(run, tiny):
    code, out, err = run("trace", tiny, "-t", "a", "--against", "bfloat16")

    assert (code, err) == (0, "")
    assert out.startswith("PyTorch in bfloat16 against PyTorch in float32")
    assert "the error grows most in " in out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere/at/all", "-t", "a"], "there is no directory nowhere/at/all"),
        (["-t", "a", "--against", "jax"], "PyTorch cannot be traced against 'jax'; use tensorflow"),
        (["-t", "a", "--pair", "b", "--pair", "c"], "2"),
    ],
)
def test_a_trace_that_fails_exits_with_2(run, arguments, message):
    code, out, err = run("trace", *arguments)

    assert (code, out) == (2, "")
    assert message in err


def test_a_text_is_needed(run, tiny):
    code, _, err = run("trace", tiny)
    assert code == 2
    assert "--text" in err
