"""Where settings come from: a TOML file, the environment, flags. Each is read into a layer of its own.

So every problem names its source, and the problems of a layer show although a later one overrides it.
`declared` is everywhere the table of `declared_settings`.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from json import dumps
from pathlib import Path
from typing import Final

from proxy.config_kinds import Setting
from proxy.config_problems import no_setting, read_toml, shown, suggestions
from proxy.errors import ConfigurationError

ENV_PREFIX: Final = "HELICONE_PROXY_"
KEY_NAME: Final = "HELICONE_API_KEY"
"""The name under which people have their key already; it means the setting `helicone.api_key`."""

CLIENT_URL_NAME: Final = "HELICONE_PROXY_URL"
"""Where `rate` and `recent` find a running sidecar: the client's business, no setting of the server."""

Declared = Mapping[str, Setting]


@dataclass(frozen=True, slots=True)
class Layer:
    """What one source says, by dotted key; `name` tells what a key is called there."""

    values: dict[str, object]
    name: Callable[[str], str]
    problems: list[str]


def environment_name(key: str) -> str:
    """Give the environment variable of a dotted key."""
    return ENV_PREFIX + key.upper().replace(".", "__")


def from_file(file: Path | None, declared: Declared) -> Layer:
    """Read a TOML file."""
    layer = Layer({}, lambda key: f"{file}: {key}", [])
    if file is None:
        return layer
    try:
        table = read_toml(file)
    except ConfigurationError as error:
        return replace(layer, problems=error.problems)
    for key, value in _flattened(table, declared):
        if key in declared:
            layer.values[key] = value
        else:
            layer.problems.append(f"{file}: {shown(key)}: {_no_key(key, declared)}")
    return layer


def from_environment(environ: Mapping[str, str], declared: Declared) -> Layer:
    """Read the environment; an empty value counts as not set."""
    given = {name.upper(): text for name, text in environ.items() if text}
    names = {key: environment_name(key) for key in declared}
    keys = {name: key for key, name in names.items()}
    problems = []
    for name in given:
        if name.startswith(ENV_PREFIX) and name not in keys and name != CLIENT_URL_NAME:
            meant = suggestions(name.removeprefix(ENV_PREFIX).lower().replace("__", "."), declared)
            problems.append(f"{shown(name)}: {no_setting(map(environment_name, meant))}")
    if KEY_NAME in given:
        long_name, names["helicone.api_key"] = names["helicone.api_key"], KEY_NAME
        if given.get(long_name, given[KEY_NAME]) != given[KEY_NAME]:
            problems.append(f"{KEY_NAME}: differs from {long_name}; set one of them")
    values = {key: declared[key].kind.read(given[name]) for key, name in names.items() if name in given}
    return Layer(values, names.__getitem__, problems)


def from_flags(flags: Mapping[str, object], names: Mapping[str, str], declared: Declared) -> Layer:
    """Take the values of the command line, texts included; None and () mean that a flag was not given."""
    values = {
        key: list(value) if isinstance(value, list | tuple) else declared[key].kind.read(str(value))
        for key, value in flags.items()
        if value is not None and value != ()
    }
    return Layer(values, lambda key: names.get(key, key), [])


def checked(layer: Layer, declared: Declared) -> Layer:
    """Check the layer's values; take out those that cannot be used, with a problem for each."""
    values: dict[str, object] = {}
    problems = list(layer.problems)
    for key, value in layer.values.items():
        try:
            values[key] = declared[key].kind.accept(value)
        except* ValueError as wrong:
            problems += [f"{layer.name(key)}: {error}" for error in wrong.exceptions]
    return replace(layer, values=values, problems=problems)


def _flattened(
    table: Mapping[str, object], declared: Declared, prefix: str = ""
) -> Iterator[tuple[str, object]]:
    """Give a table's values by dotted key. A table in a value's place is a value; an empty section is none."""
    for name, value in table.items():
        key = prefix + (dumps(name) if "." in name else name)  # A quoted name with a dot is no path.
        if isinstance(value, dict) and key not in declared and (value or _is_section(key, declared)):
            yield from _flattened(value, declared, f"{key}.")
        else:
            yield key, value


def _is_section(key: str, declared: Declared) -> bool:
    return any(setting.startswith(f"{key}.") for setting in declared)


def _no_key(key: str, declared: Declared) -> str:
    if _is_section(key, declared):
        return f"is a section: write [{key}], and its settings below"
    if key.startswith("routes.") and key.count(".") > 1 and not key.startswith("routes.default."):
        return "only the route named default exists in this version"
    return no_setting(suggestions(key, declared))
