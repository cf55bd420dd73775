"""What the API answers, as data, in the words of Helicone's Express server."""

import html
from dataclasses import dataclass

from .answers.answer import compact

JSON_TYPE = "application/json; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Reply:
    """One answer of the API."""

    status: int
    body: bytes
    content_type: str = JSON_TYPE
    headers: tuple[tuple[str, str], ...] = ()


def reply(status: int, document: object, headers: tuple[tuple[str, str], ...] = ()) -> Reply:
    """A JSON document."""
    return Reply(status, compact(document), JSON_TYPE, headers)


def result(status: int, data: object = None, error: str | None = None) -> Reply:
    """Helicone's envelope."""
    return reply(status, {"data": data, "error": error})


def internal_error(details: str = "Internal Server Error") -> Reply:
    """What `errorHandler` makes of everything unexpected, a malformed body and a foreign `Origin` included."""
    return reply(500, {"message": "Internal Server Error", "details": details})


def unauthenticated(error: str | None) -> Reply:
    """What `authMiddleware` says; `None` is its whole explanation to a read-only key."""
    return reply(401, {"error": error, "trace": "isAuthenticated.error"})


def no_route(method: str, path: str) -> Reply:
    """Express's page for a path without a handler."""
    page = (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n<title>Error</title>\n</head>\n'
        "<body>\n"
        f"<pre>Cannot {html.escape(method)} {html.escape(path)}</pre>\n</body>\n</html>\n"
    )
    return Reply(404, page.encode(), "text/html; charset=utf-8")


class Refused(Exception):
    """A step refuses the request."""

    def __init__(self, answer: Reply) -> None:
        super().__init__(f"refused with {answer.status}")
        self.answer = answer


def invalid(field: str, message: str, *value: object) -> Refused:
    """tsoa's 422 for one field; `value` is repeated where there was one."""
    detail: dict[str, object] = {"message": message}
    if value:
        detail["value"] = value[0]
    return Refused(reply(422, {"message": "Validation Failed", "details": {field: detail}}))
