"""An embedded stand-in for Helicone: a gateway with providers behind it, and the API. Real HTTP on loopback.

It shares no code with the rest of the package: it is the other side of the wire, and spells Helicone's names
itself.

`server.py` both sides, listening: start here · `settings.py` what it can be told · `ledger.py` what Helicone
knows: rows, scores, losses · `kept_bodies.py` what was said · `identity.py` keys and ids.
The gateway: `gateway.py` identity, logging, dispatch · `call.py` one call · `endpoints.py` routes of the
providers · `answers/` their bodies · `forms.py` multipart · `realtime.py` the WebSocket · `worker.py` its own
feedback route · `sending.py` answers on the wire.
The API: `api.py` its steps and routes · `bodies.py` parsing and validation · `queries.py` the filter tree ·
`records.py` rows as JSON · `assembled.py` bodies likewise · `limiter.py` the rate limit · `replies.py` its
words · `api_server.py` on the wire.
For tests: `faults.py` what can go wrong · `journal.py` what was received.
"""

from .faults import ApiFault, Faults, GatewayFault, invalid_token, too_many_requests
from .ledger import RATING, Ledger, Loss, Row, ScoreEvent
from .server import StandIn
from .settings import DEMO_KEY, DEMO_ORGANISATION, StandInSettings

__all__ = [
    "DEMO_KEY",
    "DEMO_ORGANISATION",
    "RATING",
    "ApiFault",
    "Faults",
    "GatewayFault",
    "Ledger",
    "Loss",
    "Row",
    "ScoreEvent",
    "StandIn",
    "StandInSettings",
    "invalid_token",
    "too_many_requests",
]
