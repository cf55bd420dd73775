"""`helicone-proxy compare`: versions as a table, with the sentence; JSON for scripts."""

import io
import json
import subprocess
from collections.abc import Mapping
from typing import Any

import pytest
from rich.console import Console

from browsers.prompt_tests import hold
from harness.benches import Bench, StartBench, document
from harness.programs import run_command
from proxy.commands.compare import bar, table

BY = ("--by", "property.Prompt-Version")
WHERE = ("--where", "property.Experiment=prompt-test-1")
BETTER = (
    "“B” is better than “A”: 90% thumbs up of 20, against 35% thumbs up of 20. The difference is 25 to 73 points, "
    "with 95% confidence."
)

NOTE = "- Other calls at Helicone, which say nothing, or are of one without ratings there: 1."


def compare(bench: Bench, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """Run the command against that sidecar."""
    return run_command("compare", *arguments, "--url", f"localhost:{bench.sidecar.address[1]}")


def variant(value: str, up: int = 0, down: int = 0, **more: object) -> dict[str, Any]:
    share = up / (up + down) if up + down else None
    interval = None if share is None else {"low": max(0.0, share - 0.1), "high": min(1.0, share + 0.1)}
    said = {
        "value": value,
        "calls": 5,
        "rated": up + down,
        "share": share,
        "interval": interval,
        "scores": {},
    }
    return {**said, **more}


def shown(*variants: Mapping[str, Any], has_bars: bool = True) -> list[str]:
    """The table's lines, as a terminal of 120 columns has them."""
    written = io.StringIO()
    Console(file=written, width=120).print(table("property.Prompt-Version", variants, has_bars=has_bars))
    return [line.rstrip() for line in written.getvalue().splitlines()]


def test_the_table_and_the_sentence_are_printed(start_bench: StartBench) -> None:
    bench = start_bench(**{"delivery.burst": 1_000})
    hold(bench, {"A": (7, 13, 2), "B": (18, 2, 0)}, quality=4)
    bench.chat(b"Helicone-Property-Experiment: prompt-test-1")
    ran = compare(bench, *BY, *WHERE, "--since", "30d")
    assert (ran.returncode, ran.stderr) == (0, "")
    assert [line.split() for line in ran.stdout.splitlines()] == [
        ["Prompt-Version", "thumbs", "up", "95%", "interval", "calls", "quality"],
        ["B", "90%", "of", "20", "70-97%", "20", "4", "of", "18"],
        ["A", "35%", "of", "20", "18-57%", "22", "4", "of", "7"],
        [],
        BETTER.split(),
        NOTE.split(),
    ]
    said = compare(bench, *BY, *WHERE, "--json")
    asked = document(
        bench.get("/feedback/compare?by=property.Prompt-Version&where=property.Experiment=prompt-test-1")
    )
    assert {**json.loads(said.stdout), "since": None} == {**asked, "since": None}


def test_where_there_is_nothing_to_compare_that_is_all_it_says(start_bench: StartBench) -> None:
    bench = start_bench(**{"helicone.api_key": None})
    ran = compare(bench, "--by", "model", *WHERE, "--where", "user=ann")
    lines = ran.stdout.splitlines()
    assert (ran.returncode, lines[0]) == (0, "There is no such call.")
    assert lines[1].startswith("- From what is remembered here: ")


def test_what_cannot_be_asked_is_one_sentence(bench: Bench) -> None:
    ran = compare(bench, "--by", "colour")
    assert (ran.returncode, ran.stdout) == (1, "")
    assert (
        ran.stderr
        == "by has to be property.<Name>, model, user, session or route, as in ?by=property.Prompt-Version.\n"
    )
    assert compare(bench).returncode == 2


def test_a_terminal_with_room_shows_bars() -> None:
    assert shown(variant("B", 9, 1), variant("A", 1, 1), variant("none", calls=None)) == [
        "Prompt-Version  0%           50%           100%  thumbs up  95% interval  calls",
        "B               ························├──●──┤  90% of 10       80-100%      5",
        "A               ············├──●──┤············   50% of 2        40-60%      5",
        "none            ·······························  not rated",
    ]
    assert "●" not in "".join(shown(variant("A", 1, 1), has_bars=False))


@pytest.mark.parametrize(
    ("share", "low", "high", "drawn"),
    [
        (0.0, 0.0, 1.0, "●" + "─" * 29 + "┤"),
        (1.0, 0.0, 1.0, "├" + "─" * 29 + "●"),
        (0.5, 0.5, 0.5, "·" * 15 + "●" + "·" * 15),
    ],
)
def test_a_bar_reaches_from_nothing_to_all(share: float, low: float, high: float, drawn: str) -> None:
    assert bar(share, {"low": low, "high": high}).plain == drawn


def test_a_version_cannot_speak_to_the_terminal() -> None:
    (_, line) = shown(variant("\x1b[31m[red]x"), has_bars=False)
    assert line.startswith("�[31m[red]x")
