"""What is known of a call that is over, but for what its answer says; and what a rule asks of that. Pure."""

from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType
from typing import Any, NamedTuple

from proxy.calls.live_call import LiveCall
from proxy.config.rules import When
from proxy.relay.contract import Ending
from proxy.rules.contents import is_like


class Facts(NamedTuple):
    """A call that is over. Times are seconds; None: it never came so far, or nobody said."""

    request_id: str = ""
    path: str = ""
    model: str | None = None
    route: str = "default"
    properties: Mapping[str, str] = MappingProxyType({})
    """Their names are in lower case."""
    status: int | None = None
    complete: bool = True
    duration_seconds: float | None = None
    first_byte_seconds: float | None = None
    tokens_in: int | None = None
    tokens_out: int | None = None

    def as_document(self) -> dict[str, Any]:
        """As a function of somebody's own gets it."""
        return self._asdict() | {"properties": dict(self.properties)}


def facts_of(call: LiveCall) -> Facts:
    """What is known of a call."""
    tokens, ended, answered = call.tokens, call.ended, call.answered
    return Facts(
        request_id=call.request_id,
        path=call.path.decode("ascii"),
        model=call.model,
        route=call.route,
        properties=call.properties,
        status=call.status,
        complete=call.ending is Ending.COMPLETE,
        duration_seconds=None if ended is None else ended - call.started,
        first_byte_seconds=None if answered is None else answered - call.started,
        tokens_in=None if tokens is None else tokens.input,
        tokens_out=None if tokens is None else tokens.output,
    )


Failing = Callable[[Facts], bool]


def _texts(when: When) -> list[tuple[str, Failing]]:
    found: list[tuple[str, Failing]] = []
    path, model, route, status = when.path, when.model, when.route, when.status
    if path is not None:
        found.append(("path", lambda facts: not is_like(facts.path, path)))
    if model is not None:
        found.append(("model", lambda facts: not is_like(facts.model, model)))
    if route is not None:
        found.append(("route", lambda facts: facts.route != route))
    if status is not None:
        wanted = status.replace("xx", "*")
        found.append(("status", lambda facts: not is_like(str(facts.status), wanted)))
    if when.complete is not None:
        found.append(("complete", lambda facts: facts.complete is not when.complete))
    for name, value in when.properties:
        found.append((f"properties.{name}", partial(_another_property, name, value)))
    return found


def _another_property(name: str, value: str, facts: Facts) -> bool:
    return not is_like(facts.properties.get(name), value)


_NUMBERS = (
    ("duration_{}_seconds", "duration_seconds"),
    ("first_byte_{}_seconds", "first_byte_seconds"),
    ("tokens_in_{}", "tokens_in"),
    ("tokens_out_{}", "tokens_out"),
)


def _numbers(when: When) -> list[tuple[str, Failing]]:
    found: list[tuple[str, Failing]] = []
    for pattern, name in _NUMBERS:
        least, most = getattr(when, pattern.format("min")), getattr(when, pattern.format("max"))
        if least is not None:
            found.append((pattern.format("min"), partial(_below, name, least)))
        if most is not None:
            found.append((pattern.format("max"), partial(_above, name, most)))
    return found


def _below(name: str, least: float, facts: Facts) -> bool:
    number = getattr(facts, name)
    return number is None or number < least


def _above(name: str, most: float, facts: Facts) -> bool:
    number = getattr(facts, name)
    return number is None or number > most


class FactsTest:
    """The conditions of a rule that need no look at what an answer says."""

    def __init__(self, when: When) -> None:
        self._failing = (*_texts(when), *_numbers(when))

    @property
    def is_empty(self) -> bool:
        """Whether there are none."""
        return not self._failing

    def why_not(self, facts: Facts) -> str | None:
        """The first condition that does not hold; None if all hold."""
        for name, fails in self._failing:
            if fails(facts):
                return name
        return None
