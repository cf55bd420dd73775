"""A chat app as Gradio's documentation has it: nothing in it knows of the sidecar but the base URL.

Arguments: the base URL, and the port to listen on.
"""

import sys
from collections.abc import Iterator

import gradio
from openai import OpenAI

BASE_URL, PORT = sys.argv[1:]
client = OpenAI(base_url=BASE_URL, api_key="of-the-app")


def answer(message: str, history: list[object]) -> Iterator[str]:
    """Stream an answer."""
    del history
    said = ""
    for chunk in client.chat.completions.create(
        model="gpt-4o-mini", messages=[{"role": "user", "content": message}], stream=True
    ):
        if chunk.choices:
            said += chunk.choices[0].delta.content or ""
            yield said


gradio.ChatInterface(answer, title="A chat").launch(
    server_name="127.0.0.1", server_port=int(PORT), quiet=True
)
