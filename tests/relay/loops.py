"""Which tests run on both event loops: those where the loops' transports behave differently; what others need."""

import shutil

import pytest

on_both_loops = pytest.mark.parametrize("loop", ["uvloop", "asyncio"], indirect=True)

needs_openssl = [
    pytest.mark.system,
    pytest.mark.skipif(shutil.which("openssl") is None, reason="needs the program openssl"),
]
