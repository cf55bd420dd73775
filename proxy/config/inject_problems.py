"""What is wrong with the listener before a chat app, and what is worth saying of it."""

from collections.abc import Iterator, Mapping

from proxy.config.injecting import Inject
from proxy.config.route_problems import is_own_address
from proxy.config.settings import Settings
from proxy.guard.hosts import is_loopback


def inject_problems(settings: Settings, names: Mapping[str, str], lost: set[str]) -> Iterator[str]:
    """Say what cannot be. `names` and `lost` are as for `route_problems`; whose addresses are, the guard says."""
    inject, server = settings.inject, settings.server
    if inject.upstream is None:
        if "inject.upstream" not in lost:
            for key, name in names.items():
                section, _, setting = key.partition(".")
                if section == "inject" and getattr(inject, setting) != getattr(Inject(), setting):
                    yield f"{name}: has no effect without inject.upstream"
        return
    place = names.get("inject.upstream", "inject.upstream")
    if is_own_address(inject.upstream, inject.host, inject.port):
        yield f"{place}: is the address that the app is to be opened at (inject.port); it must lead to the app"
    elif is_own_address(inject.upstream, server.host, server.port):
        yield f"{place}: is the sidecar's own address (server.port), which has no pages; it must lead to the app"
    if not inject.host and "inject.host" not in lost:
        yield f"{names['inject.host']}: must name at least one address"
    if inject.port == server.port != 0 and server.host and lost.isdisjoint({"inject.port", "server.port"}):
        place = names.get("inject.port") or names.get("server.port", "server.port")
        yield f"{place}: inject.port and server.port are the same; the app needs a port of its own"


def inject_advice(settings: Settings) -> Iterator[str]:
    """What is worth saying of settings that can be used: most likely something else was meant."""
    inject = settings.inject
    if inject.upstream is not None and not inject.knows_people and not all(map(is_loopback, inject.host)):
        yield (
            "Whoever opens the app through inject.port rates the newest answer, whoever it was for: if there are "
            "several people, say who is at a page, as in inject.user_cookie."
        )
