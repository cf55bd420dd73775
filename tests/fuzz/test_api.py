"""A fixed share of what schemathesis can think of, in every run of the tests; `make fuzz-api` draws on."""

import pytest

from fuzz.api import try_api
from harness.loops import LoopThread


@pytest.mark.timeout(400)  # ten seconds of work each, which a busy machine makes many times of
@pytest.mark.parametrize(
    ("options", "operations"),
    [
        # To rate the newest answer takes all that to rate one call takes; that is tried at its bounds once.
        (("--phases", "examples,coverage", "--exclude-operation-id", "rate_last"), 18),
        (("--phases", "fuzzing", "--max-examples", "5"), 19),
    ],
    ids=["every value at its bounds", "drawn"],
)
def test_the_local_api_answers_as_it_is_described_whatever_is_asked(
    sound_loop: LoopThread, options: tuple[str, ...], operations: int
) -> None:
    tried = try_api(sound_loop, "--generation-deterministic", *options)
    assert tried.passed, tried.report
    assert f"{operations} passed" in tried.report
