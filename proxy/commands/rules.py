"""`helicone-proxy rules`: the rules of the configuration, and what each would do with recorded answers."""

import json
import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TextIO

import click

from proxy.commands.endings import EXIT_FAILED, sentences_instead_of_tracebacks
from proxy.commands.options import config_option
from proxy.config.loading import load_settings
from proxy.config.rules import Rule, When
from proxy.config.settings import Settings
from proxy.model import Rating
from proxy.rules.cases import action_of, rating_of
from proxy.rules.recorded import Recorded, UnreadableLine, recorded
from proxy.rules.trial import Finding, Trial
from proxy.watch.lines import printable

_SHOWN = 60


@click.group(invoke_without_command=True)
@config_option
@click.pass_context
def rules(context: click.Context, config_file: Path | None) -> None:
    """Show the rules that rate calls, and try them."""
    context.obj = config_file
    if context.invoked_subcommand is not None:
        return
    settings = _settings(config_file)
    for rule in settings.rules:
        click.echo(f"{rule.name}: {_does(rule)} when {_conditions(rule.when)}{_sampled(rule)}")
    if not settings.rules:
        click.echo("There are no rules. Each is a [[rules]] table in the configuration; README has examples.")


def _settings(config_file: Path | None) -> Settings:
    with sentences_instead_of_tracebacks():
        return load_settings(config_file, os.environ, {})


def _conditions(when: When) -> str:
    said = []
    for name in When.__dataclass_fields__:
        value = getattr(when, name)
        if name == "properties":
            said += [f"properties.{each} = {json.dumps(wanted)}" for each, wanted in value]
        elif value is not None:
            said.append(f"{name} = {json.dumps(value, ensure_ascii=False)}")
    return " and ".join(said) or "a call is over"


def _does(rule: Rule) -> str:
    return f"calls {rule.call}" if rule.call is not None else _said(action_of(rule))


def _said(rating: Rating) -> str:
    """What a rating says, in one line."""
    said = [] if rating.up is None else [rating.thumb]
    said += [f"{name} = {json.dumps(value)}" for name, value in rating.scores.items()]
    said += [f'"{printable(rating.comment)}"'] if rating.comment else []
    said += [f"#{tag}" for tag in rating.tags]
    return " ".join(said)


def _sampled(rule: Rule) -> str:
    return "" if rule.sample == 1.0 else f", for {rule.sample:.0%} of calls"


@rules.command()
@click.argument("file", type=click.File("r", encoding="utf-8-sig", errors="replace"))
@click.option(
    "--config",
    "config_file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Configuration file (TOML), as for `rules`.",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object per line.")
@click.pass_context
def test(context: click.Context, file: TextIO, config_file: Path | None, *, as_json: bool) -> None:
    """Try the rules on recorded answers, one JSON object per line; nothing is rated. `-` reads standard input."""
    settings = _settings(config_file or context.obj)
    with sentences_instead_of_tracebacks():
        trial = Trial(settings.rules)
    has_failed = False
    for number, line in _lines(file):
        try:
            one = recorded(line)
        except UnreadableLine as error:
            has_failed = True
            click.echo(f"line {number}: {error}", err=True)
            continue
        findings = trial.judge(one)
        for text in _as_json(number, findings) if as_json else _as_text(number, one, findings):
            click.echo(text)
    if has_failed:
        sys.exit(EXIT_FAILED)


def _lines(file: TextIO) -> Iterator[tuple[int, Any]]:
    for number, line in enumerate(file, 1):
        if line.strip():
            try:
                yield number, json.loads(line)
            except (ValueError, RecursionError):
                # Also of a number that is too long.
                yield number, None


def _holding(findings: list[Finding]) -> Mapping[int, Rating]:
    return {place: each.says for place, each in enumerate(findings) if each.says is not None}


def _as_text(number: int, one: Recorded, findings: list[Finding]) -> Iterator[str]:
    holding = _holding(findings)
    text = None if one.content is None else printable(" ".join(one.content.text.split()))
    shown = "" if text is None else f' "{text[:_SHOWN]}{"…" if len(text) > _SHOWN else ""}"'
    yield f"line {number}{shown}: {_said(rating_of(holding)) if holding else 'no rating'}"
    for each in findings:
        yield f"   {each.rule}: {_said(each.says) if each.says is not None else each.why_not}"


def _as_json(number: int, findings: list[Finding]) -> Iterator[str]:
    holding = _holding(findings)
    rules = [
        {
            "rule": each.rule,
            "holds": each.says is not None,
            **({"why_not": each.why_not} if each.why_not else {}),
        }
        for each in findings
    ]
    rating = rating_of(holding).as_document() if holding else None
    yield json.dumps({"line": number, "rating": rating, "rules": rules}, ensure_ascii=False)
