"""Which requests are let through to a gateway, as the relay asks for it."""

from collections.abc import Iterable

from proxy.guard import Guard
from proxy.relay import refusals
from proxy.relay.contract import Admit
from proxy.relay.messages import RequestHead
from proxy.relay.refusals import Refusal
from proxy.relay.routes import Ways
from proxy.routing import ResolvedRoute


def admission(guard: Guard, ways: Ways, routes: Iterable[ResolvedRoute]) -> Admit:
    """The guard's decision; where some of the routes take POST alone, then that one."""
    post_only = frozenset(route.name for route in routes if route.post_only)

    def guarded(head: RequestHead) -> Refusal | None:
        denial = guard.check(head.method.decode("ascii"), head.fields)
        return None if denial is None else Refusal(denial.status, denial.code, denial.message)

    def taken(head: RequestHead) -> Refusal | None:
        refusal = guarded(head)
        # `OPTIONS *` asks about us, and goes no further.
        if (
            refusal is None
            and head.method != b"POST"
            and head.path != b"*"
            and (way := ways.find(head)).name in post_only
        ):
            return refusals.post_only(head.method.decode("ascii"), str(way.upstream))
        return refusal

    return taken if post_only else guarded
