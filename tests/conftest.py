"""Fixtures that more than one folder of tests uses."""

from collections.abc import Iterator

import pytest
from harness.loops import LoopThread


@pytest.fixture(scope="session")
def loop() -> Iterator[LoopThread]:
    """The loop that the product under test runs on."""
    with LoopThread() as running:
        yield running
