"""Results to report on, each made once, and what all tests of checks share."""

import pytest
from tests.parity import results

from diglot.parity.result import CheckResult


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> None:
    """The models are tiny: more threads would only wait for one another."""
    import torch

    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def equal() -> CheckResult:
    return results.equal()


@pytest.fixture(scope="session")
def different() -> CheckResult:
    return results.different()


@pytest.fixture(scope="session")
def hostile() -> CheckResult:
    return results.hostile()


@pytest.fixture(scope="session")
def broken() -> CheckResult:
    return results.broken()
