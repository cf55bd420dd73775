"""Where settings come from: a TOML file, the environment, flags. Each is read into a layer of its own.

So every problem names its source, and the problems of a layer show although a later one overrides it.
`declared` is everywhere the table of `declared_settings`.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from json import dumps
from pathlib import Path
from typing import Final

from proxy.config.kinds import ANY_NAME, Declared
from proxy.config.problems import no_setting, read_toml, shown, suggestions
from proxy.config.routes import DEFAULT
from proxy.errors import ConfigurationError

ENV_PREFIX: Final = "HELICONE_PROXY_"
KEY_NAME: Final = "HELICONE_API_KEY"
"""The name under which people have their key already; it means the setting `helicone.api_key`."""

KEY_FILE_NAME: Final = "HELICONE_API_KEY_FILE"
"""The same for `helicone.api_key_file`, by the rule that images of databases have made usual."""
_SHORT_NAMES: Final = ((KEY_NAME, "helicone.api_key"), (KEY_FILE_NAME, "helicone.api_key_file"))

CLIENT_URL_NAME: Final = "HELICONE_PROXY_URL"
"""Where `rate` and `recent` find a running sidecar: the client's business, no setting of the server."""

A_NAME: Final = "a route's name is up to 40 of a-z, 0-9 and -, begins with a letter, and is no key"
_IN_A_TABLE: Final = re.compile(r"(?P<table>[A-Z]+)__(?P<name>.+)__(?P<setting>[A-Z_]+)")


@dataclass(frozen=True, slots=True)
class Layer:
    """What one source says, by dotted key; `name` tells what a key is called there."""

    values: dict[str, object]
    name: Callable[[str], str]
    problems: list[str]


def environment_name(key: str) -> str:
    """Give the environment variable of a dotted key."""
    return ENV_PREFIX + key.upper().replace(".", "__").replace("-", "_")


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
        if declared.is_setting(key) or (value == {} and declared.is_section_name(key)):
            layer.values[key] = value
        else:
            layer.problems.append(f"{file}: {shown(key)}: {_no_key(key, declared)}")
    return layer


def from_environment(environ: Mapping[str, str], declared: Declared) -> Layer:
    """Read the environment; an empty value counts as not set."""
    given = {name.upper(): text for name, text in environ.items() if text}
    keys = {environment_name(key): key for key in declared}
    names: dict[str, str] = {}
    problems = []
    for name in given:
        if not name.startswith(ENV_PREFIX) or name == CLIENT_URL_NAME:
            continue
        key = keys.get(name) or _key_in_a_table(name.removeprefix(ENV_PREFIX))
        if not declared.is_setting(key):
            problems.append(f"{shown(name)}: {_no_variable(key, declared)}")
        elif key in names:
            problems.append(f"{shown(name)}: means the same as {shown(names[key])}; set one of them")
        else:
            names[key] = name
    for short_name, key in _SHORT_NAMES:
        if short_name in given:
            long_name, names[key] = environment_name(key), short_name
            if given.get(long_name, given[short_name]) != given[short_name]:
                problems.append(f"{short_name}: differs from {long_name}; set one of them")
    in_order = sorted(names, key=lambda key: list(declared).index(declared.general(key)))
    values = {key: declared[key].kind.read(given[names[key]]) for key in in_order}
    return Layer(values, names.__getitem__, problems)


def _no_variable(key: str, declared: Declared) -> str:
    """Say that a variable means nothing, and what may have been meant."""
    table = key.rpartition(".")[0]
    if declared.is_setting(table) and declared[table].kind.name == "table":
        return f'names no setting; {environment_name(table)} is the whole table, as JSON: {{"ann": "..."}}'
    meant = suggestions(key, declared.spelled(_name_in(key, declared)))
    return no_setting(map(environment_name, meant))


def empty_in_environment(environ: Mapping[str, str], declared: Declared) -> Iterator[tuple[str, str]]:
    """The variables that mean a setting and hold nothing, which counts as not set: each with the setting's key."""
    keys = {environment_name(key): key for key in declared} | dict(_SHORT_NAMES)
    for name in [name.upper() for name, text in environ.items() if not text]:
        key = keys.get(name) or _key_in_a_table(name.removeprefix(ENV_PREFIX))
        if declared.is_setting(key) and (name in keys or name.startswith(ENV_PREFIX)):
            yield name, key


def _key_in_a_table(name: str) -> str:
    """The key that a variable means where a section has a name of its own: `_` stands for its `-`."""
    if match := _IN_A_TABLE.fullmatch(name):
        return f"{match['table']}.{match['name'].replace('_', '-')}.{match['setting']}".lower()
    return name.lower().replace("__", ".")


def _name_in(key: str, declared: Declared) -> str:
    """The name of the section that a key speaks of, where it has one."""
    table, _, rest = key.partition(".")
    name, dot, _ = rest.partition(".")
    return name if dot and declared.is_section_name(f"{table}.{name}") else DEFAULT


def from_flags(flags: Mapping[str, object], names: Mapping[str, str], declared: Declared) -> Layer:
    """Take the values of the command line, texts included; None and () mean that a flag was not given.

    `routes` has texts of its own: NAME, NAME=PRESET or NAME=URL.
    """
    called = dict(names)
    layer = Layer({}, lambda key: called.get(key, key), [])
    # Last, so that a route that other flags speak of, too, is seen, whichever stands first.
    for key, value in sorted(flags.items(), key=lambda each: each[0] == "routes"):
        if key == "routes" and isinstance(value, list | tuple):
            for text in value:
                called[_add_route(str(text), layer, declared)] = called[key]
        elif value is not None and value != ():
            given = list(value) if isinstance(value, list | tuple) else declared[key].kind.read(str(value))
            layer.values[key] = given
    return layer


def _add_route(text: str, layer: Layer, declared: Declared) -> str:
    """Put one route into the layer. Gives the key that says it."""
    name, equals, said = text.partition("=")
    section = f"routes.{name}"
    key = f"{section}.{'url' if '://' in said else 'preset'}" if equals else section
    flag = layer.name("routes")
    if not declared.is_section_name(section):
        layer.problems.append(f"{flag}: must be NAME, NAME=PRESET or NAME=URL; {A_NAME}")
    elif any(each == section or each.startswith(f"{section}.") for each in layer.values):
        layer.problems.append(f"{flag}: names the route {shown(name)} twice; say once where it goes")
    else:
        layer.values[key] = said if equals else {}
    return key


def checked(layer: Layer, declared: Declared) -> Layer:
    """Check the layer's values; take out those that cannot be used, with a problem for each."""
    values: dict[str, object] = {}
    problems = list(layer.problems)
    for key, value in layer.values.items():
        if key not in declared:
            values[key] = value  # That a section is there.
            continue
        try:
            values[key] = declared[key].kind.accept(value)
        except* ValueError as wrong:
            problems += [f"{layer.name(key)}: {error}" for error in wrong.exceptions]
    return replace(layer, values=values, problems=problems)


def _flattened(
    table: Mapping[str, object], declared: Declared, prefix: str = ""
) -> Iterator[tuple[str, object]]:
    """Give a table's values by dotted key. A table in a value's place is a value; an empty section is none.

    Of a section that has its name from the file it is said by `{}` that it is there.
    """
    for name, value in table.items():
        key = prefix + (dumps(name) if "." in name else name)  # A quoted name with a dot is no path.
        if isinstance(value, dict) and key not in declared and (value or declared.is_section(key)):
            if declared.is_section_name(key):
                yield key, {}
            yield from _flattened(value, declared, f"{key}.")
        else:
            yield key, value


def _no_key(key: str, declared: Declared) -> str:
    table, _, rest = key.partition(".")
    name = rest.partition(".")[0]
    is_setting = f"{table}.{DEFAULT}.{rest}" in declared
    if declared.is_section_name(f"{key}.{DEFAULT}"):
        return f"is a table of sections: write [{key}.{ANY_NAME}] for each, and its settings below"
    if declared.is_section(key) and not is_setting:
        return f"is a section: write [{key}], and its settings below"
    in_table = bool(rest) and declared.is_section_name(f"{table}.{DEFAULT}")
    if in_table and not is_setting and not declared.is_section_name(f"{table}.{name}"):
        return A_NAME
    return no_setting(suggestions(key, declared.spelled(_name_in(key, declared))))
