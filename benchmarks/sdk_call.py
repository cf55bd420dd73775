"""A chat call as the OpenAI SDK for Python sends it: its headers, names in its spelling, and a small body."""

import json
import platform
from collections.abc import Mapping

HEADERS = {
    "Accept-Encoding": "gzip, deflate",
    "Connection": "keep-alive",
    "authorization": "Bearer sk-proj-0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQR",
    "accept": "application/json",
    "content-type": "application/json",
    "user-agent": "OpenAI/Python 3.54.0",
    "x-stainless-lang": "python",
    "x-stainless-package-version": "3.54.0",
    "x-stainless-os": "Linux",
    "x-stainless-arch": "x64",
    "x-stainless-runtime": "CPython",
    "x-stainless-runtime-version": platform.python_version(),
    "x-stainless-async": "false",
    "x-stainless-retry-count": "0",
    "x-stainless-read-timeout": "600",
}
"""Host and Content-Length come to them: seventeen."""

PATH = "/v1/chat/completions"


def chat_body(model: str, *, stream: bool) -> str:
    """About 200 bytes of a chat."""
    body = {
        "model": model,
        "messages": [
            {"role": "system", "content": "You are a helpful assistant."},
            {"role": "user", "content": "Say hello to me in one short sentence, please."},
        ],
        "stream": stream,
    }
    return json.dumps(body, separators=(",", ":"))


def request_bytes(authority: str, body: str, added: Mapping[str, str]) -> bytes:
    """The whole request, as it goes over the wire."""
    headers = {"Host": authority} | HEADERS | dict(added) | {"Content-Length": str(len(body.encode()))}
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"POST {PATH} HTTP/1.1\r\n{lines}\r\n{body}".encode()
