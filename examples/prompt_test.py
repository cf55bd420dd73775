"""Tests two system prompts against each other: every other call gets the second, and thumbs decide.

What it shows: two headers make a test of ordinary calls (`Helicone-Property-Experiment` says which test it is,
`Helicone-Property-Prompt-Version` which prompt was used), and the sidecar says which one is better, or that it is
too early. Here raters are simulated, of whom 55 % like A and 85 % like B; in an app people click.

    pip install openai
    helicone-proxy demo                     # in another terminal
    python prompt_test.py                   # or: python prompt_test.py NAME-OF-THE-TEST NUMBER-OF-CALLS

You see what can be said after ten calls, and what after all: shares with their 95 % intervals, and one sentence.
The same at any time: helicone-proxy compare --by property.Prompt-Version --where property.Experiment=prompt-test-1
"""

import json
import os
import random
import sys
import urllib.request
from typing import Any
from urllib.parse import urlencode

from openai import APIConnectionError, OpenAI

SIDECAR = os.environ.get("HELICONE_PROXY_URL", "http://localhost:8747")
TEST = sys.argv[1] if sys.argv[1:] else "prompt-test-1"
CALLS = int(sys.argv[2]) if sys.argv[2:] else 160
PROMPTS = {"A": "You are a helpful assistant.", "B": "You are a helpful assistant. Answer in one sentence."}
LIKED = {"A": 0.55, "B": 0.85}

client = OpenAI(base_url=f"{SIDECAR}/v1", api_key=os.environ.get("OPENAI_API_KEY", "sk-demo"))
people = random.Random(7)  # noqa: S311 - the same opinions in each run


def ask_sidecar(path: str, document: object = None) -> Any:  # noqa: ANN401 - JSON
    """One request to the sidecar's own API; with a document a POST."""
    body = None if document is None else json.dumps(document).encode()
    request = urllib.request.Request(f"{SIDECAR}{path}", body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)


def make_calls(numbers: range) -> list[dict[str, object]]:
    """Calls with either prompt, and what people say of their answers."""
    ratings: list[dict[str, object]] = []
    for number in numbers:
        version = "AB"[number % 2]
        completion = client.chat.completions.create(
            model="gpt-4o-mini",
            messages=[
                {"role": "system", "content": PROMPTS[version]},
                {"role": "user", "content": f"What is {number} times {number}?"},
            ],
            extra_headers={"Helicone-Property-Experiment": TEST, "Helicone-Property-Prompt-Version": version},
        )
        likes_it = people.random() < LIKED[version]
        ratings.append({"id": completion.id, "rating": likes_it, "source": "simulated"})
    return ratings


def rate_and_compare(ratings: list[dict[str, object]]) -> None:
    """Have the ratings stored, and say how the two prompts stand by now."""
    said = ask_sidecar("/feedback/batch?wait=verified&timeout=1m", ratings)
    late = sum(each.get("state") != "verified" for each in said["results"])
    if late:
        print(f"{late} ratings have not arrived yet: compare again in a minute or two.")
    query = urlencode(
        {"by": "property.Prompt-Version", "where": f"property.Experiment={TEST}", "since": "1d"}
    )
    compared = ask_sidecar(f"/feedback/compare?{query}")
    print("prompt  calls  rated  👍   share  95 % interval")
    for each in compared["variants"]:
        low, high = each["interval"]["low"], each["interval"]["high"]
        print(
            f"{each['value']:6}  {each['calls'] or 0:5}  {each['rated']:5}  {each['up']:3}"
            f"  {each['share']:4.0%}   {low:.0%} to {high:.0%}"
        )
    print(f"{compared['verdict']['sentence']}\n")


print(f"{TEST}: the first 10 calls")
try:
    rate_and_compare(make_calls(range(10)))
except APIConnectionError:
    sys.exit(f"No sidecar answers at {SIDECAR}: start one, such as `helicone-proxy demo`.")
print(f"{TEST}: all {CALLS}")
rate_and_compare(make_calls(range(10, CALLS)))
