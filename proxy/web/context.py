"""What the handlers work with."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from aiohttp import web

from proxy.calls.live_call import LiveCall
from proxy.config.kinds import Secret
from proxy.config.settings import Feedback
from proxy.delivery.intake import Delivery
from proxy.feedback_tokens import FeedbackTokens
from proxy.guard.decisions import Guard
from proxy.keys import Keyring
from proxy.metrics import Metrics
from proxy.refused import RefusalBook
from proxy.routing import ResolvedRoute
from proxy.rules.judge import Judge
from proxy.search.finder import Finder
from proxy.stores.contract import RecentCalls
from proxy.web.event_streams import EventStreams


@dataclass(frozen=True, slots=True)
class Context:
    """Everything that the local application is given. `clock` is the relay's; `wall_clock` has Unix times."""

    store: RecentCalls[LiveCall]
    delivery: Delivery
    finder: Finder
    streams: EventStreams
    keys: Keyring
    guard: Guard
    refused: RefusalBook
    clock: Callable[[], float]
    wall_clock: Callable[[], float]
    feedback: Feedback
    previews_on: bool
    metrics: Metrics
    open_calls: Callable[[], int]
    routes: Sequence[ResolvedRoute]
    api_url: str
    started: float
    body_timeout_seconds: float
    """How long a local request's body may take, as a whole: it is small."""
    feedback_tokens: FeedbackTokens | None
    """None: there are none, and none counts."""
    open_webui_secret: Secret | None
    judge: Judge | None
    """None where there are no rules."""


CONTEXT = web.AppKey("context", Context)

CALLER = web.RequestKey("caller", str)
"""Under that a request has the name of the token that it came with; "" for none, and for nobody's."""

LIMITED_TO = web.RequestKey("limited to", str)
"""Under that a request has the id of the one call that it may rate: with a Feedback-Token, or of an app's page."""


def may_know_whom(request: web.Request) -> bool:
    """Whether it may be told whom a call was for: those outside who may rate one call alone may not."""
    return LIMITED_TO not in request


def caller_of(request: web.Request) -> str | None:
    """The name of the token that it came with; None where names are nothing for it."""
    return request[CALLER] if may_know_whom(request) else None
