"""How rules are read, and what is wrong with them: alone, together, and beside the routes."""

import importlib
import os
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from importlib.machinery import PathFinder
from json import loads
from types import ModuleType
from typing import Any, Final

from proxy.config.kinds import Kind, declared_settings, filled
from proxy.config.problems import no_setting, shown, suggestions
from proxy.config.rules import Rule, When, quoted_name

PATTERN_BYTES: Final = 1 << 20
"""What a pattern, compiled, and its states may take up."""
_NO_ENGINE: Final = (
    "when.text_matches needs google-re2, an engine that no pattern can hang: "
    "pip install 'helicone-feedback-proxy[rules]'"
)
_BOUNDS: Final = (
    ("duration_min_seconds", "duration_max_seconds"),
    ("first_byte_min_seconds", "first_byte_max_seconds"),
    ("first_byte_min_seconds", "duration_max_seconds"),
    ("tokens_in_min", "tokens_in_max"),
    ("tokens_out_min", "tokens_out_max"),
    ("text_min_length", "text_max_length"),
)


def load_engine() -> ModuleType | None:
    """The module with RE2, if it is installed. Only rules with a pattern load it: it takes up some MB."""
    try:
        return importlib.import_module("re2")
    except ImportError:
        return None


def compiled(engine: Any, pattern: str) -> Any:  # noqa: ANN401  # it has no types
    """A pattern for RE2, bounded in memory. Raises ValueError."""
    options = engine.Options()
    options.max_mem = PATTERN_BYTES
    options.log_errors = False
    try:
        # Of bytes: offsets of characters, which it would count otherwise, nobody wants.
        return engine.compile(pattern.encode(), options=options)
    except engine.error as error:
        said = error.args[0] if error.args else b""
        why = said.decode("utf-8", "replace") if isinstance(said, bytes) else str(said)
        # RE2 quotes the pattern behind a colon; the pattern may hold anything.
        raise ValueError(f"is no pattern that RE2 knows ({why.partition(':')[0]})") from None


def _accept(value: object) -> tuple[Rule, ...]:
    """Rules out of a list of tables. Raises a group of ValueErrors with all that is wrong."""
    if not isinstance(value, list) or not all(isinstance(each, dict) for each in value):
        raise ValueError("must be tables: write [[rules]] for each rule, and its settings below")
    rules, wrong = [], []
    for number, table in enumerate(value, 1):
        rule, problems = _read(table)
        name = f"the rule {quoted_name(rule.name)}" if rule.name else f"rule {number}"
        wrong += [f"{name}: {each}" for each in problems]
        rules.append(rule)
    names = [rule.name for rule in rules if rule.name]
    wrong += [
        f"the name {quoted_name(name)} stands there twice"
        for name in sorted(set(names))
        if names.count(name) > 1
    ]
    if wrong:
        raise ExceptionGroup("rules", [ValueError(each) for each in wrong])
    return tuple(rules)


RULES: Final = Kind("list of tables", _accept, loads)


def _read(table: Mapping[str, object]) -> tuple[Rule, list[str]]:
    declared = declared_settings(Rule)
    given, wrong = dict(table), []
    when = given.pop("when", {})
    if isinstance(when, dict):
        given |= {f"when.{name}": value for name, value in when.items()}
    else:
        wrong.append("when must be a table such as { text_max_length = 50 }")
    values: dict[str, object] = {}
    for key, value in given.items():
        if key not in declared:
            meant = suggestions(key, declared)
            # What is like no setting may be a value in the wrong place, and any value a secret.
            wrong.append(f"{shown(key) if meant else 'one of its names'} {no_setting(meant)}")
            continue
        try:
            values[key] = declared[key].kind.accept(value)
        except* ValueError as group:
            wrong += [f"{key} {error}" for error in group.exceptions]
    rule = filled(Rule(), values)
    if "name" not in given:
        wrong.append("name is missing: ratings by the rule carry it")
    return rule, wrong or [*_of_actions(rule, given), *_of_conditions(rule.when)]


def _of_actions(rule: Rule, given: Mapping[str, object]) -> Iterator[str]:
    actions = [name for name in ("rating", "scores", "comment", "tags") if name in given]
    if rule.call is None:
        if "timeout_seconds" in given:
            yield "timeout_seconds has no effect without call"
        if rule.rating is None and not (rule.scores or rule.comment or rule.tags):
            yield "has no effect: give it rating, scores, comment, tags or call"
        elif rule.when == When() and rule.sample == 1.0:
            yield "has no condition, so it would rate every call alike: give it when, or sample"
    else:
        for name in actions:
            yield f"{name} has no effect beside call: the function says it"


def _of_conditions(when: When) -> Iterator[str]:
    for low, high in _BOUNDS:
        least, most = getattr(when, low), getattr(when, high)
        if least is not None and most is not None and least > most:
            yield f"when.{low} is above when.{high}, so it can never hold"
    if when.has_content and when.status is not None and not when.status.startswith("2"):
        yield "when.status can never hold beside what is asked of the text: only answers of 200 to 299 have one"
    if when.is_json and when.text_max_length == 0:
        yield "when.is_json can never hold beside when.text_max_length = 0: no text is no JSON"
    if when.text_matches is not None:
        yield from _of_pattern(when.text_matches)


def _of_pattern(pattern: str) -> Iterator[str]:
    engine = load_engine()
    if engine is None:
        yield _NO_ENGINE
        return
    try:
        compiled(engine, pattern)
    except ValueError as error:
        yield f"when.text_matches {error}"


def rule_problems(rules: Iterable[Rule], routes: Iterable[str], name: str) -> Iterator[str]:
    """Say which rules are for a route that is not there. `name`: what the setting is called where it stands."""
    known = sorted(routes)
    for rule in rules:
        if rule.when.route is not None and rule.when.route not in known:
            where = f"{name}: the rule {quoted_name(rule.name)}"
            yield f"{where}: when.route names no route; there is {', '.join(known)}"


def rule_advice(rules: Sequence[Rule]) -> Iterator[str]:
    """Say which functions cannot be found. None is imported for that: importing it would run it."""
    for rule in rules:
        if rule.call is not None:
            package = rule.call.partition(":")[0].partition(".")[0]
            if PathFinder.find_spec(package, [os.getcwd(), *sys.path]) is None:  # noqa: PTH109
                yield (
                    f"The rule {quoted_name(rule.name)} calls {rule.call}, and no {package} is found, neither "
                    "in the folder of the start nor among what is installed for this Python."
                )


def describe_rules() -> list[tuple[str, str, str]]:
    """Every setting of a rule: its key, its kind, and a sentence, in the order of the declaration."""
    return [(key, each.kind.name, each.sentence) for key, each in declared_settings(Rule).items()]
