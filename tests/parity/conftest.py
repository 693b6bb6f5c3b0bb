"""Results to report on, each made once."""

import pytest
from tests.parity import results

from diglot.parity.result import CheckResult


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
