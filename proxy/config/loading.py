"""How settings are read: a TOML file, then the environment, then the command line's flags; later ones win.

All problems are reported at once, each with where it stands; no message holds a value, since any may be a
mistyped key.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from proxy.config.guard_problems import guard_advice, guard_problems
from proxy.config.hook_problems import hook_advice, hook_problems
from proxy.config.inject_problems import inject_advice, inject_problems
from proxy.config.kinds import Declared, declared_settings, filled
from proxy.config.problems import IN_MEMORY
from proxy.config.route_problems import route_advice, route_problems, why_no_upstream
from proxy.config.routes import with_environment
from proxy.config.rule_problems import rule_advice, rule_problems
from proxy.config.secret_files import pair_of, said_twice, with_secrets
from proxy.config.settings import FLAGS, Settings
from proxy.config.sources import Layer, checked, empty_in_environment, from_environment, from_file, from_flags
from proxy.errors import ConfigurationError
from proxy.helicone import why_unlikely
from proxy.outbound import proxy_for
from proxy.routing import everywhere


def load_settings(file: Path | None, environ: Mapping[str, str], flags: Mapping[str, object]) -> Settings:
    """Read file, environment and flags; later ones win. `flags` maps dotted keys to values, None being unset.

    Raises ConfigurationError with all problems at once, those of overridden values included.
    """
    declared = declared_settings(Settings)
    given = [
        from_file(file, declared),
        from_environment(environ, declared),
        from_flags(flags, FLAGS, declared),
    ]
    layers = [_with_environment(checked(layer, declared), environ) for layer in given]
    lost = {
        key
        for before, after in zip(given, layers, strict=True)
        for key in before.values.keys() - after.values
    }
    values, names, unread = with_secrets(*_together(layers, declared), declared)
    settings = filled(Settings(), values)
    problems = [problem for layer in layers for problem in (*layer.problems, *said_twice(layer, declared))]
    problems.extend(unread.values())
    lost |= unread.keys()
    problems.extend(_without_effect(settings, names))
    problems.extend(route_problems(settings, names, lost))
    problems.extend(guard_problems(settings, names, lost))
    problems.extend(hook_problems(settings, names, lost))
    problems.extend(inject_problems(settings, names, lost))
    problems.extend(rule_problems(settings.rules, settings.routes, names.get("rules", "rules")))
    if settings.upstream.trust_env:
        problems.extend(_unusable_proxy(everywhere(settings), environ))
    if problems:
        raise ConfigurationError(problems)
    return settings


def _together(layers: Iterable[Layer], declared: Declared) -> tuple[dict[str, object], dict[str, str]]:
    """What all layers say, later ones before earlier ones; and what each key is called by who says it.

    Where a route goes is said by `url`, `preset` or both: a layer that says one of them means no earlier other,
    or the key would stand where that other gateway has it. A secret is said by itself or by its file: likewise.
    """
    values: dict[str, object] = {}
    names: dict[str, str] = {}
    for layer in layers:
        for key in layer.values:
            before, _, setting = key.rpartition(".")
            overridden = pair_of(key, declared) or ()
            if before.startswith("routes.") and setting in ("url", "preset"):
                overridden = (f"{before}.url", f"{before}.preset")
            for each in overridden:
                values.pop(each, None)
                names.pop(each, None)
        values.update(layer.values)
        names.update((key, layer.name(key)) for key in layer.values)
    return values, names


def _with_environment(layer: Layer, environ: Mapping[str, str]) -> Layer:
    """Put into headers what they take from the environment."""
    values, problems = dict(layer.values), list(layer.problems)
    for key, value in layer.values.items():
        if key.endswith(".headers") and isinstance(value, tuple):
            try:
                values[key] = with_environment(value, environ)
            except* ValueError as wrong:
                problems += [f"{layer.name(key)}: {error}" for error in wrong.exceptions]
    return replace(layer, values=values, problems=problems)


def advice(settings: Settings, environ: Mapping[str, str]) -> list[str]:
    """What is worth saying of a configuration that can be used: most likely something else was meant."""
    said = [f"The Helicone key {why}." for why in _unlikely_keys(settings)]
    said += route_advice(settings, environ)
    said += guard_advice(settings)
    said += hook_advice(settings)
    said += inject_advice(settings)
    said += rule_advice(settings.rules)
    said += _empty_secrets(settings, environ)
    if settings.outbox.path == IN_MEMORY:
        said.append(
            "Ratings are kept in memory only: those that have not arrived are lost when the sidecar ends. Leave "
            "path in [outbox] out to have them on disk."
        )
    return said


def _unlikely_keys(settings: Settings) -> list[str]:
    key = settings.helicone.own_key
    why = None if key is None else why_unlikely(key)
    return [] if why is None else [why]


def _empty_secrets(settings: Settings, environ: Mapping[str, str]) -> Iterator[str]:
    """Say where a secret was to come from the environment, and none did: an unset variable of a script, say."""
    for name, key in empty_in_environment(environ, declared_settings(Settings)):
        section, _, setting = key.rpartition(".")
        route = section.removeprefix("routes.")
        if setting.startswith("token") and section == "guard" and not settings.guard.named_tokens:
            yield f"{name} is set and empty, so no token is needed: anybody on this machine may call."
        elif setting.startswith("api_key") and settings.helicone.own_key is None:
            yield f"{name} is set and empty, so no Helicone key is configured."
        elif setting in ("provider_key", "provider_key_file") and (
            route not in settings.routes or settings.routes[route].provider_key is None
        ):
            yield f"{name} is set and empty, so the route {route} has no provider's key."


def _without_effect(settings: Settings, names: Mapping[str, str]) -> Iterator[str]:
    """Say which settings, each fine by itself, do nothing or harm beside the others."""
    if "outbox.state_dir" in names and settings.outbox.path is not None:
        yield f"{names['outbox.state_dir']}: has no effect beside path, which names the file itself"
    if settings.calls.persist and settings.outbox.path == IN_MEMORY:
        yield f"{names['calls.persist']}: has no effect beside outbox.path {IN_MEMORY}, where no file is"
    limits, idle = settings.upstream, "upstream.max_idle_connections"
    if idle in names and limits.max_idle_connections > limits.max_connections:
        yield f"{names[idle]}: has no effect above max_connections: no more than those are open"
    url = settings.helicone.api_url
    if url is not None and (why := why_no_upstream(url, settings.server)) is not None:
        yield f"{names['helicone.api_url']}: {why}"


def _unusable_proxy(urls: Iterable[str], environ: Mapping[str, str]) -> list[str]:
    """Say that the environment names a proxy which is to be used for one of these, and cannot be."""
    try:
        for url in urls:
            proxy_for(url, environ)
    except ValueError as error:
        return [str(error)]
    return []
