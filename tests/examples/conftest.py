"""The demo, once for all tests of a module."""

from collections.abc import Iterator

import pytest

from harness.demos import Demo, running_demo


@pytest.fixture(scope="module")
def demo() -> Iterator[Demo]:
    """As somebody has it who tries the examples."""
    with running_demo() as running:
        yield running
