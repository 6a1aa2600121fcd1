"""The conformance kit: one line in a test file checks a backend against the whole contract (docs/conformance.md).

    from jq_cli.testing import ConformanceSuite

    class TestMyStore(ConformanceSuite):
        url = "mystore://localhost/test"

It needs pytest and hypothesis, which `pip install 'jq-cli[test]'` brings.
"""

from pkgutil import iter_modules

import pytest

pytest.register_assert_rewrite(*(f"{__name__}.{module.name}" for module in iter_modules(__path__)))

from jq_cli.testing.clock import ManualClock  # noqa: E402 - after the rewrite is registered
from jq_cli.testing.store import Store  # noqa: E402
from jq_cli.testing.structure import check_structure  # noqa: E402
from jq_cli.testing.subject import Subject  # noqa: E402
from jq_cli.testing.suite import ConformanceSuite  # noqa: E402

__all__ = ["ConformanceSuite", "ManualClock", "Store", "Subject", "check_structure"]
