"""Streams an answer with OpenAI's SDK and rates it, by the id that the SDK gives anyway.

What it shows: only the base URL is the sidecar's. The `id` of any chunk is a name of the call, so the thumb lands
on this answer, however many others have come since; `/feedback/last` would take the newest.

    pip install openai
    helicone-proxy demo                     # in another terminal
    python rate_openai.py Why is the sky blue?

You see the answer as it comes, and then, some seconds later, that Helicone has stored the thumb: "verified".
Exit status 1 means that it is not there yet. Real models need OPENAI_API_KEY, and a sidecar with a Helicone key.
"""

import json
import os
import sys
import urllib.error
import urllib.request

from openai import APIConnectionError, OpenAI

SIDECAR = os.environ.get("HELICONE_PROXY_URL", "http://localhost:8747")


def rate(answer_id: str, **rating: object) -> dict[str, str]:
    """Rate an answer, and wait until Helicone has stored it: usually 20 to 30 s, in the demo 2."""
    request = urllib.request.Request(
        f"{SIDECAR}/feedback/{answer_id}?wait=verified&timeout=1m",
        data=json.dumps(rating).encode(),
        headers={"Content-Type": "application/json"},
    )
    try:
        with urllib.request.urlopen(request) as answer:
            said: dict[str, str] = json.load(answer)
    except urllib.error.HTTPError as error:
        sys.exit(json.load(error)["error"]["message"])
    return said


client = OpenAI(base_url=f"{SIDECAR}/v1", api_key=os.environ.get("OPENAI_API_KEY", "sk-demo"))
question = " ".join(sys.argv[1:]) or "Why is the sky blue?"
answer_id = ""
try:
    for chunk in client.chat.completions.create(
        model="gpt-4o-mini", messages=[{"role": "user", "content": question}], stream=True
    ):
        answer_id = chunk.id
        if chunk.choices:
            print(chunk.choices[0].delta.content or "", end="", flush=True)
except APIConnectionError:
    sys.exit(f"No sidecar answers at {SIDECAR}: start one, such as `helicone-proxy demo`.")
print(f"\n\nrating {answer_id} ...")

said = rate(answer_id, rating=True, comment="short and right", rater="rate_openai.py")
print(f"{said['state']}: {said['message']}")
sys.exit(said["state"] != "verified")
