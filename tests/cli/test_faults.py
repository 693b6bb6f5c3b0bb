"""Rows with faults: reported, counted, and skipped or raised."""

import io
import re

import pytest

from diglot.cli import rendering
from diglot.cli.faults import Faults, OnError
from diglot.cli.rows import Fault, Row
from diglot.errors import InputError


def faults(on_error=OnError.SKIP):
    return Faults("a.txt:", on_error, rendering.console(io.StringIO()))


def test_faults_are_reported_and_counted_when_they_are_reached():
    skipping = faults()
    rows = skipping.readable(
        iter([Row(1, "a"), Fault(2, "is\x1b [bold]bad :smile:"), Row(3, "b"), Fault(4, "too")])
    )

    assert next(rows) == Row(1, "a")
    assert (skipping.skipped, skipping.rows) == (0, 1)
    assert next(rows) == Row(3, "b")
    assert (skipping.skipped, skipping.rows) == (1, 3)
    assert skipping.console.file.getvalue() == "a.txt:2: is\\x1b [bold]bad :smile:\n"
    assert list(rows) == []
    assert (skipping.skipped, skipping.rows) == (2, 4)


def test_the_first_fault_is_raised_unless_faults_are_skipped():
    rows = faults(OnError.FAIL).readable(iter([Row(1, "a"), Fault(2, "is bad")]))

    assert next(rows) == Row(1, "a")
    with pytest.raises(InputError, match=re.escape("a.txt:2: is bad (--on-error skip")):
        next(rows)


def test_a_long_message_stays_on_one_line():
    skipping = faults()
    skipping.report(Fault(1, "very " * 100 + "long"))

    assert skipping.console.file.getvalue().count("\n") == 1
