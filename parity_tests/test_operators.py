"""The lowering of every operator against PyTorch."""

from __future__ import annotations

import pytest
import torch
from hypothesis import HealthCheck, Phase, assume, given, settings
from hypothesis import strategies as st

from diglot.lowering import REGISTRY

from .operators import ACCEPTED, CASES
from .operators.case import Case
from .operators.judge import judge
from .operators.run import WAYS, captured, in_tensorflow, in_torch, lowered

aten = torch.ops.aten

relaxed = settings(
    deadline=None,
    # A default run has no time for more: there are about 150 operators.
    max_examples=settings().max_examples * 3 // 5,
    suppress_health_check=list(HealthCheck),
    phases=set(Phase) - {Phase.explain},
    report_multiple_bugs=False,
)
# torch.export writes this into a graph itself, and removes a call of it in a module.
UNCAPTURED = {aten.lift_fresh_copy.default}

every_operator = pytest.mark.parametrize("operator", sorted(CASES, key=str), ids=str)


def test_the_cases_are_those_of_the_lowerings():
    assert set(CASES) == set(REGISTRY)


@every_operator
@relaxed
@given(data=st.data())
def test_a_lowering_gives_what_pytorch_gives(operator, data):
    case = CASES[operator]
    call = data.draw(case.calls)
    expected = in_torch(operator, call)
    function = lowered(operator, call, expected)
    for way in WAYS:
        actual = in_tensorflow(way, function, call.tensors, static=case.static)
        judge(operator, case, call, expected, actual, way)


@pytest.mark.parametrize("number", range(len(ACCEPTED)), ids=lambda n: str(ACCEPTED[n].operator))
@pytest.mark.parametrize("way", [*WAYS, "xla"])
def test_an_accepted_difference_still_occurs(number, way):
    accepted = ACCEPTED[number]
    operator, call = accepted.operator, accepted.call
    expected = in_torch(operator, call)
    actual = in_tensorflow(way, lowered(operator, call, expected), call.tensors)
    strict = Case(st.nothing(), exact=CASES[operator].exact)
    if way in accepted.ways:
        with pytest.raises(AssertionError, match="where PyTorch gives"):
            judge(operator, strict, call, expected, actual, way, smallest=0.0)
    else:
        judge(operator, strict, call, expected, actual, way, smallest=0.0)


@pytest.mark.parametrize("operator", sorted(set(CASES) - UNCAPTURED, key=str), ids=str)
@settings(relaxed, max_examples=1, derandomize=True, phases=[Phase.generate])
@given(data=st.data())
def test_a_captured_operator_gives_the_same_under_xla_too(operator, data):
    case = CASES[operator]
    call = data.draw(case.calls)
    # The first call that Hypothesis draws is nearly empty: skip to one that tests something.
    assume(all(x.numel() > 1 and x.unique().numel() > 1 for x in call.tensors[:1]))
    assume(all(x.numel() for x in call.tensors))
    if operator is aten.index.Tensor:
        # torch.export records a wrong shape if one of several indices has no dimensions.
        assume(all(index.ndim for index in call.tensors[1:]))
    expected = in_torch(operator, call)
    function = captured(operator, call, fixed=case.static or case.fixed)
    for way in (*WAYS, "xla"):
        actual = in_tensorflow(way, function, call.tensors, static=case.static or case.fixed)
        judge(operator, case, call, expected, actual, way)
