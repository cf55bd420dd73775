"""A direct run beside one through the sidecar: what has to be equal, and the little that may differ."""

from proxy.demo import StandIn
from proxy.demo.journal import Received
from sdks.recording import Run

STOPS_HERE = {"set-cookie", "strict-transport-security", "alt-svc"}
"""Of the stand-in's answers: lines that would act on every app on localhost."""

ADDED_DOWN = {"feedback-id", "feedback-url"}
ADDED_UP = {b"via", b"helicone-request-id"}
OF_THE_CONNECTION = {b"connection", b"host"}


def assert_same(direct: Run, through: Run, standin: StandIn) -> None:
    """Compare results, bodies in both directions, and heads. The stand-in has seen these two runs alone."""
    assert through.result == direct.result
    assert [each.summary() for each in through.passed] == [each.summary() for each in direct.passed]
    received = standin.gateway.all()
    runs = received[: len(direct.passed)], received[len(direct.passed) :]
    for run, seen in zip((direct, through), runs, strict=True):
        assert [each.body_sha256 for each in seen] == [each.up.sha256 for each in run.passed]
    for one, other in zip(*runs, strict=True):
        assert_same_request(one, other)
    for one_passed, other_passed in zip(direct.passed, through.passed, strict=True):
        names = set(other_passed.names)
        assert names - ADDED_DOWN == set(one_passed.names) - STOPS_HERE
        assert names >= ADDED_DOWN


def assert_same_request(direct: Received, through: Received) -> None:
    """What came to the stand-in is the same, line by line, but for what is said to be changed."""
    assert (through.method, through.target) == (direct.method, direct.target)
    kept = [line for line in direct.headers if line[0].lower() not in OF_THE_CONNECTION]
    passed = [line for line in through.headers if line[0].lower() not in OF_THE_CONNECTION]
    assert [line for line in passed if line[0].lower() not in ADDED_UP] == kept
    assert {name.lower() for name, _ in passed} >= ADDED_UP
