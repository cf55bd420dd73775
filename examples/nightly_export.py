"""Exports thumbs down with question and answer, as lines of JSON: for an evaluation, or for fine-tuning.

What it shows: the sidecar finds the calls (`/feedback/search`), and Helicone has what was said in them (the
sidecar keeps no bodies). What earlier nights have exported is left out; the rest of the last seven days is
fetched, since a thumb may come days after its answer. A file is there whole or not at all, and a run that was
interrupted is gone on with.

    HELICONE_API_KEY=sk-helicone-... python nightly_export.py thumbs-down/

In a crontab, with the key in a file of its own (`export HELICONE_API_KEY=...`):

    30 3 * * *  . ~/.helicone.env && python3 ~/nightly_export.py ~/thumbs-down

With the demo, put what it prints (HELICONE_API_URL=... HELICONE_API_KEY=...) before the command; for Europe
HELICONE_API_URL is https://eu.api.helicone.ai. You see how many there were; where something is missing, a sentence
and exit status 1. Python's standard library is all it takes.
"""

import http.client
import json
import os
import sys
import urllib.error
import urllib.request
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

SIDECAR = os.environ.get("HELICONE_PROXY_URL", "http://localhost:8747")
SEARCH = f"{SIDECAR}/feedback/search?rating=down&since=7d"
API = os.environ.get("HELICONE_API_URL", "https://api.helicone.ai")
KEY = os.environ.get("HELICONE_API_KEY") or sys.exit("Set HELICONE_API_KEY: the answers are at Helicone.")
FOLDER = Path(sys.argv[1] if sys.argv[1:] else "thumbs-down")
UNFINISHED = FOLDER / "unfinished.part"


def get(url: str, **headers: str) -> bytes:
    """What is there; an error says what the answer says."""
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=120) as answer:
            return bytes(answer.read())
    except urllib.error.HTTPError as error:
        raise OSError(f"{error.code} from {url}: {error.read().decode(errors='replace')}") from error


def found_calls() -> list[dict[str, Any]]:
    """The calls with a thumb down, as the sidecar finds them at Helicone."""
    found = json.loads(get(f"{SEARCH}&limit=1"))
    if found["source"] != "helicone":
        raise OSError(f"the sidecar knows only what it remembers itself ({found['why_local']})")
    return [json.loads(line) for line in get(f"{SEARCH}&format=ndjson").splitlines()]


def what_was_said(request_id: str) -> dict[str, Any] | None:
    """One call with its bodies; None where Helicone has none (any more)."""
    try:
        answer = get(f"{API}/v1/request/{request_id}?includeBody=true", Authorization=f"Bearer {KEY}")
    except OSError as error:
        if "request body" in str(error).lower():
            return None
        raise
    found: dict[str, Any] | None = json.loads(answer)["data"]
    return found


def text_of(response: dict[str, Any]) -> object:
    """The answer's words; of what is no chat completion and no message, all of it."""
    match response:
        case {"choices": [{"message": {"content": str(text)}}, *_]}:
            return text
        case {"content": [{"text": str(text)}, *_]}:
            return text
    return response


def exported_before() -> set[str]:
    """The ids in all files; what an interrupted run was writing when it ended is cut off."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    if UNFINISHED.exists():
        whole, newline, _ = UNFINISHED.read_bytes().rpartition(b"\n")
        UNFINISHED.write_bytes(whole + newline)
    files = [*FOLDER.glob("*.jsonl"), *FOLDER.glob("*.part")]
    return {json.loads(line)["id"] for file in files for line in file.open(encoding="utf-8")}


def export() -> list[str]:
    """Write what is new; gives the ids of calls of which Helicone has no bodies."""
    known, missing = exported_before(), []
    new = [call for call in found_calls() if call["id"] not in known]
    with UNFINISHED.open("a", encoding="utf-8") as file:
        for call in new:
            said = what_was_said(call["id"])
            if said is None:
                missing.append(call["id"])
                continue
            asked = said["request_body"] or {}
            call["messages"] = asked.get("messages") or asked.get("input")
            call["answer"] = text_of(said["response_body"])
            file.write(json.dumps(call, ensure_ascii=False) + "\n")
            file.flush()
        os.fsync(file.fileno())
    return missing


try:
    missing = export()
except (OSError, http.client.HTTPException, json.JSONDecodeError) as error:
    sys.exit(f"Not finished: {error}. Run it again: it goes on where it was.")
count = UNFINISHED.read_bytes().count(b"\n")
if count:
    UNFINISHED.replace(FOLDER / datetime.now(UTC).strftime("%Y-%m-%dT%H%M%S.%fZ.jsonl"))
else:
    UNFINISHED.unlink()
print(f"{count} new thumbs down in {FOLDER}")
if missing:
    sys.exit(f"Helicone does not say what was said in {len(missing)} calls: {', '.join(missing)}")
