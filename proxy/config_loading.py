"""How settings are read: a TOML file, then the environment, then the command line's flags; later ones win.

All problems are reported at once, each with where it stands; no message holds a value, since any may be a
mistyped key.
"""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from urllib.parse import urlsplit

from proxy.config import FLAGS, Server, Settings
from proxy.config_kinds import declared_settings, filled
from proxy.config_problems import IN_MEMORY
from proxy.config_sources import checked, from_environment, from_file, from_flags
from proxy.errors import ConfigurationError
from proxy.guard import canonical_host, is_always_allowed
from proxy.helicone import is_gateway_host
from proxy.outbound import named_proxy, proxy_for


def load_settings(file: Path | None, environ: Mapping[str, str], flags: Mapping[str, object]) -> Settings:
    """Read file, environment and flags; later ones win. `flags` maps dotted keys to values, None being unset.

    Raises ConfigurationError with all problems at once, those of overridden values included.
    """
    declared = declared_settings(Settings)
    layers = [
        checked(layer, declared)
        for layer in (
            from_file(file, declared),
            from_environment(environ, declared),
            from_flags(flags, FLAGS, declared),
        )
    ]
    values = {key: value for layer in layers for key, value in layer.values.items()}
    names = {key: layer.name(key) for layer in layers for key in layer.values}
    settings = filled(Settings(), values)
    problems = [problem for layer in layers for problem in layer.problems]
    problems.extend(_without_effect(settings, names))
    if settings.upstream.trust_env:
        problems.extend(_unusable_proxy((settings.routes.default.url, *settings.api_urls), environ))
    if problems:
        raise ConfigurationError(problems)
    return settings


def advice(settings: Settings, environ: Mapping[str, str]) -> list[str]:
    """What is worth saying of a configuration that can be used: most likely something else was meant."""
    route = settings.routes.default
    host = _host_of(route.url)
    said = []
    if not (route.helicone or is_gateway_host(host) or is_always_allowed(host)):
        said.append(
            f"{host} is no host of Helicone's, so it gets no Helicone key. If it is a Helicone gateway of your "
            "own, set helicone = true in [routes.default]; if it is not, its calls cannot be rated."
        )
    if is_gateway_host(host) and urlsplit(route.url).path.endswith("/v1"):
        said.append("The gateway's URL ends in /v1, and so does an app's base URL: calls will go to /v1/v1.")
    if not settings.upstream.trust_env and (proxy := named_proxy(route.url, environ)) is not None:
        said.append(
            f"{proxy.name} is set, and is not used: calls go to {host} directly. If they have to go through "
            "that proxy, set trust_env = true in [upstream]."
        )
    if settings.outbox.path == IN_MEMORY:
        said.append(
            "Ratings are kept in memory only: those that have not arrived are lost when the sidecar ends. Leave "
            "path in [outbox] out to have them on disk."
        )
    return said


def _without_effect(settings: Settings, names: Mapping[str, str]) -> Iterator[str]:
    """Say which settings, each fine by itself, do nothing or harm beside the others."""
    route = settings.routes.default
    host = _host_of(route.url)
    if route.helicone is not None and (is_gateway_host(host) or is_always_allowed(host)):
        name = names["routes.default.helicone"]
        yield f"{name}: has no effect: the Helicone key may go to that host anyway"
    if "outbox.state_dir" in names and settings.outbox.path is not None:
        yield f"{names['outbox.state_dir']}: has no effect beside path, which names the file itself"
    if settings.calls.persist and settings.outbox.path == IN_MEMORY:
        yield f"{names['calls.persist']}: has no effect beside outbox.path {IN_MEMORY}, where no file is"
    limits, idle = settings.upstream, "upstream.max_idle_connections"
    if idle in names and limits.max_idle_connections > limits.max_connections:
        yield f"{names[idle]}: has no effect above max_connections: no more than those are open"
    for key, url in (("routes.default.url", route.url), ("helicone.api_url", settings.helicone.api_url)):
        if url is not None and urlsplit(url).scheme == "http" and is_gateway_host(_host_of(url)):
            yield f"{names[key]}: must begin with https:// there, or keys would go in clear text"
    for key, url in (("routes.default.url", route.url), ("helicone.api_url", settings.helicone.api_url)):
        if url is not None and _is_own_address(url, settings.server):
            yield f"{names[key]}: is the sidecar's own address; it must lead to Helicone"


def _unusable_proxy(urls: Iterable[str], environ: Mapping[str, str]) -> list[str]:
    """Say that the environment names a proxy which is to be used for one of these, and cannot be."""
    try:
        for url in urls:
            proxy_for(url, environ)
    except ValueError as error:
        return [str(error)]
    return []


def _is_own_address(url: str, server: Server) -> bool:
    parts = urlsplit(url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    return port == server.port and _host_of(url) in {"localhost", *server.host}


def _host_of(url: str) -> str:
    return canonical_host(urlsplit(url).netloc.encode()) or ""
