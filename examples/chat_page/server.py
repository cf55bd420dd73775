"""A chat page with thumbs: your server makes the calls, the page has the widget, and nobody sees the sidecar.

What it shows: `/chat` streams an answer from the sidecar on to the page, with its id in the head, and the page
puts `<helicone-feedback call="...">` beside it. The widget comes through this server, and so do its ratings: the
page needs no other host, no CORS and no setting of the sidecar's. Python's standard library is all it takes.

    helicone-proxy demo                     # in another terminal
    python chat_page/server.py              # then open http://localhost:8750

Ask, click a thumb, and watch it: a few seconds until it leaves, a few more until Helicone has stored it. On a page
for the public set `hooks.token` in the sidecar's configuration and hand each answer's Feedback-Token to the widget
(`token="..."`), or anybody may rate any answer whose id they know.
"""

import http.client
import json
import os
import re
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

SIDECAR = urlsplit(os.environ.get("HELICONE_PROXY_URL", "http://localhost:8747"))
KEY = os.environ.get("OPENAI_API_KEY", "sk-demo")
PAGE = Path(__file__).with_name("page.html")
JSON = "application/json"
RATING = re.compile(r"/feedback/[0-9a-f-]{36}(\?|$)")  # of one call; "last" and "batch" are not for people


def ask_sidecar(
    method: str, path: str, body: bytes = b"", headers: dict[str, str] | None = None
) -> http.client.HTTPResponse:
    """One request; nothing of the browser's (Origin, cookies) goes along."""
    connection = http.client.HTTPConnection(SIDECAR.hostname or "localhost", SIDECAR.port or 80, timeout=120)
    connection.request(method, path, body, headers or {})
    return connection.getresponse()


class Handler(BaseHTTPRequestHandler):
    """What the page asks for. HTTP/1.0: an answer ends with its connection, so that any can be streamed."""

    def do_GET(self) -> None:
        """Give the page and the widget."""
        if self.path == "/":
            self.begin(200, "text/html; charset=utf-8")
            self.wfile.write(PAGE.read_bytes())
        elif self.path == "/feedback/widget.js":
            self.pass_on()
        else:
            self.send_error(404)

    def do_POST(self) -> None:
        """Take a question, or a thumb."""
        if self.headers.get("Sec-Fetch-Site", "same-origin") != "same-origin":
            self.send_error(403, "Only this server's own page may ask")
        elif self.path == "/chat":
            self.chat(json.loads(self.body())["messages"])
        elif RATING.match(self.path):
            self.pass_on()
        else:
            self.send_error(404)

    do_DELETE = do_POST  # noqa: N815 - a thumb that is taken back

    def chat(self, messages: list[dict[str, str]]) -> None:
        """Stream an answer: its id in the head, then its text and nothing else."""
        asked = {"model": "gpt-4o-mini", "messages": messages, "stream": True}
        headers = {"Content-Type": JSON, "Authorization": f"Bearer {KEY}", "Helicone-User-Id": "chat-page"}
        try:
            answer = ask_sidecar("POST", "/v1/chat/completions", json.dumps(asked).encode(), headers)
        except OSError as error:
            self.begin(502, "text/plain; charset=utf-8")
            self.wfile.write(f"no sidecar at {SIDECAR.netloc} ({error})".encode())
            return
        if answer.status != 200:
            self.begin(502, JSON)
            self.wfile.write(answer.read())
            return
        self.begin(200, "text/plain; charset=utf-8", Call=answer.getheader("Feedback-Id", ""))
        for line in answer:
            if line.startswith(b"data: {"):
                for choice in json.loads(line[6:])["choices"][:1]:
                    self.wfile.write((choice["delta"].get("content") or "").encode())

    def pass_on(self) -> None:
        """Have the sidecar answer, and hand its answer on as it is."""
        kept = ("Content-Type", "Idempotency-Key", "Feedback-Token")
        headers = {name: self.headers[name] for name in kept if name in self.headers}
        answer = ask_sidecar(self.command, self.path, self.body(), headers)
        self.begin(answer.status, answer.getheader("Content-Type", JSON))
        self.wfile.write(answer.read())

    def body(self) -> bytes:
        """What was sent along."""
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))

    def begin(self, status: int, content_type: str, **headers: str) -> None:
        """Send a head."""
        self.send_response(status)
        for name, value in {"Content-Type": content_type, "Cache-Control": "no-store", **headers}.items():
            self.send_header(name, value)
        self.end_headers()


if __name__ == "__main__":
    server = ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1]) if sys.argv[1:] else 8750), Handler)
    print(f"The chat is at http://localhost:{server.server_port}", flush=True)
    server.serve_forever()
