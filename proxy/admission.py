"""Which requests are let through to a gateway, as the relay asks for it."""

from proxy.guard import Guard
from proxy.relay import refusals
from proxy.relay.contract import Admit
from proxy.relay.messages import RequestHead
from proxy.relay.refusals import Refusal
from proxy.relay.routes import Ways


def admission(guard: Guard, ways: Ways, post_only: frozenset[str]) -> Admit:
    """The guard's decision; where some ways take POST alone (`post_only` has their names), then that one."""

    def guarded(head: RequestHead) -> Refusal | None:
        denial = guard.check(head.method.decode("ascii"), head.fields)
        return None if denial is None else Refusal(denial.status, denial.code, denial.message)

    def taken(head: RequestHead) -> Refusal | None:
        refusal = guarded(head)
        if refusal is None and head.method != b"POST" and (way := ways.find(head)).name in post_only:
            return refusals.post_only(head.method.decode("ascii"), str(way.upstream))
        return refusal

    return taken if post_only else guarded
