"""`helicone-proxy search`: as a table, as JSON, and as files that are there when they are whole."""

import csv
import json
import os
import time
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from harness.benches import Bench
from proxy.cli import main
from proxy.demo.faults import ApiFault
from proxy.demo.ledger import RATING, Row
from proxy.demo.settings import DEMO_ORGANISATION

QUERIES = "/v1/request/query-clickhouse"


def asked(bench: Bench, *arguments: str) -> Result:
    """Run the command against `bench`; a traceback is a failure of the test."""
    ours: dict[str, str | None] = {name: None for name in os.environ if name.upper().startswith("HELICONE")}
    ours["HELICONE_PROXY_URL"] = f"http://127.0.0.1:{bench.sidecar.sidecar.port}"
    result = CliRunner().invoke(main, ["search", *arguments], env=ours)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


@pytest.fixture
def rated(bench: Bench) -> Bench:
    """1,200 calls, every third of which is rated down."""
    for number in range(1200):
        at = time.time() - number - 1
        ident = f"{number:08x}-0000-4000-8000-000000000000"
        row = Row(request_id=ident, organisation=DEMO_ORGANISATION, created_at=at, finished_at=at + 1)
        row.model = "m[1]"
        row.scores = {} if number % 3 else {RATING: 0}
        bench.standin.ledger.log(row)
    return bench


def test_a_table_shows_them_and_says_that_there_are_more(rated: Bench) -> None:
    result = asked(rated, "--rating", "down", "--limit", "2")
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert len(lines) == 3
    assert lines[0].startswith("time (UTC) ")
    assert all("👎" in line and "m[1]" in line and "-0000-4000-8000-" in line for line in lines[1:])
    assert "There are more" in result.stderr
    assert asked(rated, "--rating", "up").stdout == "No such call is found.\n"


def test_what_others_say_gives_a_terminal_no_orders(bench: Bench) -> None:
    row = Row(
        request_id="a" * 36, organisation=DEMO_ORGANISATION, created_at=time.time() - 5, finished_at=0.0
    )
    row.model, row.user_id, row.scores = "m\x1b[2J", "u\x9b2J", {"s\x1b]0;x\x07": 1}
    bench.standin.ledger.log(row)
    shown = asked(bench).stdout
    assert all(said in shown for said in ("m\N{REPLACEMENT CHARACTER}[2J", "u\N{REPLACEMENT CHARACTER}2J"))
    assert not set(shown) & set("\x1b\x9b\x07")


def test_an_export_into_a_pipe_does_not_take_its_place(rated: Bench, tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        assert asked(rated, "--csv", "--limit", "2", "--output", str(pipe)).exit_code == 0
        assert pipe.is_fifo()
        assert len(os.read(reader, 65_536).splitlines()) == 3
    finally:
        os.close(reader)


def test_json_is_what_the_sidecar_says(rated: Bench) -> None:
    found: dict[str, Any] = json.loads(asked(rated, "--json", "--since", "10m", "--property", "a=b").stdout)
    assert (found["source"], found["calls"]) == ("helicone", [])


def test_exports_have_all_lines(rated: Bench, tmp_path: Path) -> None:
    lines = asked(rated, "--rating", "down", "--ndjson").stdout.splitlines()
    assert len({json.loads(line)["id"] for line in lines}) == 400
    file = tmp_path / "down.csv"
    result = asked(rated, "--rating", "down", "--csv", "--output", str(file))
    assert (result.exit_code, result.stdout) == (0, "")
    with file.open(newline="") as text:
        assert len(list(csv.DictReader(text))) == 400


def test_an_export_that_breaks_off_leaves_no_file_and_says_so(rated: Bench, tmp_path: Path) -> None:
    file = tmp_path / "all.ndjson"
    file.write_text("of yesterday")
    rated.standin.faults.api.next(ApiFault(path=QUERIES), ApiFault(path=QUERIES, status=401))
    result = asked(rated, "--ndjson", "--output", str(file))
    assert result.exit_code == 1
    assert "is not all of it" in result.stderr
    assert [(each.name, each.read_text()) for each in tmp_path.iterdir()] == [(file.name, "of yesterday")]


def test_what_is_only_remembered_is_said_to_be(rated: Bench, tmp_path: Path) -> None:
    rated.chat()
    with rated.standin.faults.api.during(ApiFault(path=QUERIES, status=401)):
        for arguments in ((), ("--csv",)):
            result = asked(rated, *arguments)
            assert result.exit_code == 0
            assert "Only what is remembered here was searched" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        (("--csv", "--json"), "only one"),
        (("--output", "x"), "export"),
        (("--limit", "1001"), "export"),
        (("--property", "a"), "NAME=VALUE"),
    ],
)
def test_options_that_contradict_each_other_are_refused(
    bench: Bench, arguments: tuple[str, ...], what: str
) -> None:
    result = asked(bench, *arguments)
    assert result.exit_code == 2
    assert what in result.stderr


def test_what_the_sidecar_refuses_is_its_sentence(bench: Bench, tmp_path: Path) -> None:
    assert "since has to be a time span" in asked(bench, "--since", "soon").stderr
    result = asked(bench, "--csv", "--output", str(tmp_path / "no" / "x.csv"))
    assert (result.exit_code, "cannot be written" in result.stderr) == (1, True)
