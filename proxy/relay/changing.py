"""A body that is changed on its way down, no faster than the client reads: a little may stand for a lot."""

from proxy.relay import framing
from proxy.relay.contract import Change
from proxy.relay.door import Client
from proxy.relay.framing import Framing


def pass_changed(change: Change, client: Client, begun: bytes, down: Framing, *, whole: bool) -> bool:
    """Write `begun`, and behind it what `change` gives, while the client reads. `whole`: all has come that it is
    made of; gives whether the end has been written. Raises ValueError where the body makes no sense.
    """
    chunked = down is Framing.CHUNKED
    while piece := change.take():
        client.sender.write(begun + (framing.chunk(piece) if chunked else piece))
        begun = b""
        if client.writing_paused:
            return False
    if whole and chunked:
        begun += framing.LAST_CHUNK
    if begun:
        client.sender.write(begun)
    return whole
