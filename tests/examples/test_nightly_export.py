"""The nightly export: what it writes, what it leaves out, and what it says when something is missing.

The calls, their thumbs and Helicone's answers are those of a real demo. What a search finds is said by the tests
where it has to go wrong.
"""

import json
import subprocess
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from uuid import uuid4

import pytest

from harness.demos import Demo


def asked(demo: Demo, question: str, **more: object) -> str:
    """The id of a call in which that was asked."""
    body = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": question}], **more}
    request = urllib.request.Request(
        f"{demo.url}/v1/chat/completions", json.dumps(body).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request) as answer:
        answer.read()
        return str(answer.headers["Feedback-Id"])


def rated_down(demo: Demo, *ids: str) -> None:
    """Have them rated; Helicone has it when this returns."""
    ratings = [{"id": each, "rating": False, "comment": "wrong"} for each in ids]
    request = urllib.request.Request(
        f"{demo.url}/feedback/batch?wait=verified&timeout=1m", json.dumps(ratings).encode()
    )
    request.add_header("Content-Type", "application/json")
    with urllib.request.urlopen(request) as answer:
        assert {each["state"] for each in json.load(answer)["results"]} == {"verified"}


@dataclass
class Search:
    """What a sidecar's search finds. `cut`: its export breaks off after so many bytes."""

    ids: list[str]
    source: str = "helicone"
    cut: int | None = None
    url: str = field(default="", init=False)

    def answer(self, target: str) -> tuple[bytes, int]:
        """A body, and the length that it is said to have."""
        if "format=ndjson" not in target:
            said = {"source": self.source, "why_local": "Helicone does not answer", "calls": []}
            return (body := json.dumps(said).encode()), len(body)
        rows = [{"id": each, "model": "gpt-4o-mini", "rating": "down"} for each in self.ids]
        body = "".join(json.dumps(row) + "\n" for row in rows).encode()
        return body[: self.cut], len(body)


@contextmanager
def searching(search: Search) -> Iterator[Search]:
    """That search, where the example looks for a sidecar's."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body, length = search.answer(self.path)
            self.send_response(200)
            self.send_header("Content-Length", str(length))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        search.url = f"http://127.0.0.1:{server.server_port}"
        try:
            yield search
        finally:
            server.shutdown()
            thread.join()


def export(demo: Demo, folder: Path, search: Search | None = None) -> "subprocess.CompletedProcess[str]":
    """Run it, against the demo or against that search."""
    beside = demo if search is None else replace(demo, url=search.url)
    return beside.run_python("nightly_export.py", "out", cwd=folder)


def lines(folder: Path) -> list[dict[str, Any]]:
    """What stands in the files that are whole, the oldest first."""
    files = sorted(folder.glob("out/*.jsonl"))
    return [json.loads(line) for file in files for line in file.read_text("utf-8").splitlines()]


@pytest.fixture(scope="module")
def ids(demo: Demo) -> list[str]:
    """Calls that Helicone knows."""
    return [asked(demo, f"question {number}") for number in range(4)]


def test_question_and_answer_are_exported_once(demo: Demo, ids: list[str], tmp_path: Path) -> None:
    with searching(Search(ids[:2])) as search:
        done = export(demo, tmp_path, search)
        assert (done.returncode, done.stdout, done.stderr) == (0, "2 new thumbs down in out\n", "")
        for number, row in enumerate(lines(tmp_path)):
            assert (row["id"], row["rating"]) == (ids[number], "down")
            assert row["messages"] == [{"role": "user", "content": f"question {number}"}]
            assert f"“question {number}”" in row["answer"]
        search.ids = ids
        assert export(demo, tmp_path, search).stdout == "2 new thumbs down in out\n"
        assert sorted(row["id"] for row in lines(tmp_path)) == sorted(ids)
        assert export(demo, tmp_path, search).stdout == "0 new thumbs down in out\n"
    assert len(list((tmp_path / "out").iterdir())) == 2


def test_the_sidecars_own_search_is_what_is_exported(demo: Demo, ids: list[str], tmp_path: Path) -> None:
    down = [ids[3], asked(demo, "question 4", stream=True)]
    rated_down(demo, *down)
    done = export(demo, tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, "2 new thumbs down in out\n", "")
    rows = {row["id"]: row for row in lines(tmp_path)}
    assert list(rows) == [down[1], down[0]]
    for number, each in enumerate(down, start=3):
        assert f"“question {number}”" in rows[each]["answer"]
        assert rows[each]["rating"] == "down"
        assert "wrong" in rows[each]["properties"].values()


def test_what_is_missing_is_said_and_tried_again(demo: Demo, ids: list[str], tmp_path: Path) -> None:
    unknown = str(uuid4())
    with searching(Search([unknown, *ids])) as search:
        done = export(demo, tmp_path, search)
        assert (done.returncode, done.stdout) == (1, "4 new thumbs down in out\n")
        assert done.stderr == f"Helicone does not say what was said in 1 calls: {unknown}\n"
        assert [row["id"] for row in lines(tmp_path)] == ids
        assert export(demo, tmp_path, search).returncode == 1


def test_an_interrupted_run_is_gone_on_with(demo: Demo, ids: list[str], tmp_path: Path) -> None:
    unfinished = tmp_path / "out" / "unfinished.part"
    unfinished.parent.mkdir()
    unfinished.write_text(json.dumps({"id": ids[0], "answer": "kept"}) + '\n{"id": "' + ids[1])
    with searching(Search(ids)) as search:
        assert export(demo, tmp_path, search).stdout == "4 new thumbs down in out\n"
    assert [row["id"] for row in lines(tmp_path)] == ids
    assert lines(tmp_path)[0]["answer"] == "kept"
    assert not unfinished.exists()


def test_half_a_search_is_none(demo: Demo, ids: list[str], tmp_path: Path) -> None:
    with searching(Search(ids, cut=150)) as search:
        done = export(demo, tmp_path, search)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("Not finished: ")
    assert "Traceback" not in done.stderr
    assert lines(tmp_path) == []


def test_what_the_sidecar_remembers_itself_is_no_export(demo: Demo, ids: list[str], tmp_path: Path) -> None:
    with searching(Search(ids, source="local")) as search:
        done = export(demo, tmp_path, search)
    assert done.returncode == 1
    assert "(Helicone does not answer)" in done.stderr
    assert lines(tmp_path) == []


def test_a_key_that_helicone_does_not_know_is_said(demo: Demo, ids: list[str], tmp_path: Path) -> None:
    with searching(Search(ids)) as search:
        done = export(replace(demo, api={**demo.api, "HELICONE_API_KEY": "sk-helicone-x"}), tmp_path, search)
        assert done.returncode == 1
        assert "Not finished: 401 from " in done.stderr
        assert "sk-helicone-x" not in done.stderr
        # Nothing is lost by it.
        assert export(demo, tmp_path, search).stdout == "4 new thumbs down in out\n"
    without = replace(demo, api={}).run_python("nightly_export.py", cwd=tmp_path)
    assert (without.returncode, without.stderr) == (1, "Set HELICONE_API_KEY: the answers are at Helicone.\n")
