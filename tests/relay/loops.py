"""Which tests run on both event loops: those where the loops' transports behave differently."""

import pytest

on_both_loops = pytest.mark.parametrize("loop", ["uvloop", "asyncio"], indirect=True)
