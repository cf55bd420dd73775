"""Makes a few answers, and shows which of them were rated by which rule of rules.toml, with nobody clicking.

What it shows: rules stand in the sidecar's configuration and judge each answer when it has ended, streamed ones,
too. The app knows nothing of them.

    pip install openai google-re2
    helicone-proxy demo --config rules.toml     # in another terminal
    python automated_rules.py

You see a line for each answer: its thumb, and the name of the rule that gave it, or that no rule had a say.
"""

import json
import os
import sys
import time
import urllib.request
from typing import Any

from openai import APIConnectionError, OpenAI

SIDECAR = os.environ.get("HELICONE_PROXY_URL", "http://localhost:8747")
YES_OR_NO = {"type": "object", "properties": {"yes": {"type": "boolean"}}, "required": ["yes"]}
SHORT = {"type": "json_schema", "json_schema": {"name": "answer", "schema": YES_OR_NO}}
WEATHER = {
    "type": "function",
    "function": {"name": "weather", "parameters": {"type": "object", "properties": {}}},
}

ANSWERS: dict[str, dict[str, Any]] = {
    "Why is the sky blue?": {},
    "What does [error] 42 mean?": {},
    "Is it night? In one word.": {"response_format": SHORT},
    "Will it rain?": {"tools": [WEATHER]},
}

client = OpenAI(base_url=f"{SIDECAR}/v1", api_key=os.environ.get("OPENAI_API_KEY", "sk-demo"))


def look(answer_id: str) -> dict[str, Any]:
    """The call as the sidecar knows it, with its rating."""
    with urllib.request.urlopen(f"{SIDECAR}/feedback/{answer_id}") as answer:
        found: dict[str, Any] = json.load(answer)
    return found


ids = {}
for question, more in ANSWERS.items():
    try:
        completion = client.chat.completions.create(
            model="gpt-4o-mini", messages=[{"role": "user", "content": question}], **more
        )
    except APIConnectionError:
        sys.exit(f"No sidecar answers at {SIDECAR}: start one, such as `helicone-proxy demo`.")
    ids[question] = completion.id

# Answers are judged off their way, a moment after they have ended, one after the other: the last one gets a thumb.
for _ in range(50):
    if look(ids["Will it rain?"])["rating"] is not None:
        break
    time.sleep(0.2)

for question, answer_id in ids.items():
    rating = look(answer_id)["rating"]
    if rating is None:
        print(f"{question:28} no rule has a say")
    else:
        print(f"{question:28} {rating['thumb']} by the rule “{rating['rule']}” ({rating['state']})")
