"""`helicone-proxy rate`: a thumb for an answer, scores, or words."""

import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from proxy.commands.asking import (
    asking_options,
    back_option,
    json_text,
    path_of,
    running_sidecar,
    scope_options,
    strict_option,
    with_query,
)
from proxy.commands.endings import sentences_instead_of_tracebacks

_THUMBS = frozenset(
    {"up", "down", "true", "false", "good", "bad", "+1", "👍", "👎", "thumbs_up", "thumbs_down"}
)
"""As the local API has them, but for -1, which looks like an option."""
_TRUTHS = ("false", "true")


@dataclass(frozen=True, slots=True)
class _Target:
    """What the arguments say: a thumb, if there is one, and the id of a call, if it is not the newest."""

    thumb: str | None
    request_id: str | None


@click.command()
@click.argument("words", metavar="[up|down] [ID]", nargs=-1)
@click.option("--comment", help="Say something about the answer.")
@click.option("--score", "scores", multiple=True, metavar="NAME=VALUE", help="A whole number, true or false.")
@click.option(
    "--tag", "tags", multiple=True, help="A word to find the rating by; may be given several times."
)
@click.option("--rater", help="Who rates.")
@click.option("--source", help="What kind of rater that is: end_user, developer, automated, or any word.")
@click.option("--wait", type=click.Choice(["queued", "accepted", "verified"]), help="What to wait for.")
@click.option("--hold", metavar="TIME", help="Keep the rating back so long, as in 5s: it can be taken back.")
@back_option
@strict_option
@scope_options
@asking_options
def rate(
    words: tuple[str, ...],
    scores: tuple[str, ...],
    config_file: Path | None,
    *,
    as_json: bool,
    scope: Mapping[str, str],
    **given: Any,  # noqa: ANN401
) -> None:
    """Rate the newest answer, or the call with that ID.

    The thumb may be left out where a comment or a score says it all.
    """
    said: dict[str, Any] = {"scores": _scores(scores), "tags": list(given.pop("tags"))}
    said |= {name: given.pop(name) for name in ("comment", "rater", "source")}
    target = _target(words, has_more=said["comment"] is not None or bool(scores))
    document = {
        name: value for name, value in {"rating": target.thumb, **said}.items() if value not in (None, {}, [])
    }
    path = path_of(target.request_id, {**{name: given.pop(name) for name in ("back", "strict")}, **scope})
    # What is left of the options goes into the query.
    path = with_query(path, {name: value for name, value in given.items() if value is not None})
    with sentences_instead_of_tracebacks():
        answer = running_sidecar(config_file, os.environ).post(path, document, having="rated")
    click.echo(json_text(answer) if as_json else f"{answer['message']}\n   {answer['rated']['id']}")


def _target(words: tuple[str, ...], *, has_more: bool) -> _Target:
    thumb = words[0].lower() if words and words[0].lower() in _THUMBS else None
    rest = words if thumb is None else words[1:]
    if thumb is None and not has_more:
        raise click.UsageError("Say up or down, or give a --comment or a --score.")
    if len(rest) > 1:
        raise click.UsageError("One call at a time: give a thumb and at most one ID.")
    return _Target(thumb, rest[0] if rest else None)


def _scores(pairs: Iterable[str]) -> dict[str, int | bool]:
    scores: dict[str, int | bool] = {}
    for pair in pairs:
        name, equals, value = pair.rpartition("=")
        if not equals or not (value in _TRUTHS or re.fullmatch(r"[+-]?[0-9]{1,19}", value)):
            raise click.UsageError(
                "--score takes NAME=VALUE, as in tone=4 or helpful=true: whole numbers, true and false only."
            )
        scores[name] = value == "true" if value in _TRUTHS else int(value)
    return scores
