"""What happens as one line of text, and the words that a screen has of it, too."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any


def printable(text: object) -> str:
    """A text of somebody else's that no terminal takes for an order."""
    return "".join(each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in str(text))


def clock_time(moment: str) -> str:
    """When something was, as the clock on the wall here has it."""
    return datetime.fromisoformat(moment).astimezone().strftime("%H:%M:%S")


def status_of(call: Mapping[str, Any]) -> str:
    """How a call stands."""
    status = "-" if call["status"] is None else str(call["status"])
    return status if call["state"] == "complete" else f"{status} {call['state']}"


def milliseconds(value: float | None) -> str:
    """A time span, if it is known."""
    return "" if value is None else f"{value:.0f} ms"


def rating_of(rating: Mapping[str, Any] | None) -> str:
    """A rating: its thumb, and how it stands."""
    return "" if rating is None else f"{rating['thumb']} {rating['state']}{by_rule(rating)}"


def by_rule(rating: Mapping[str, Any]) -> str:
    """Which rule made a rating, if one did."""
    return f" by rule {rating['rule']}" if "rule" in rating else ""


def line_of(name: str, data: Mapping[str, Any]) -> str:
    """An event as a line; empty for one that says nothing of calls or ratings."""
    if name == "call":
        call = data["call"]
        parts = [
            clock_time(call["started_at"]),
            "call",
            data["phase"],
            status_of(call),
            printable(call["model"] or "-"),
            printable(call["path"]),
            milliseconds(call["duration_ms"]),
            call["id"],
            rating_of(call["rating"]),
        ]
    elif name == "rating":
        rating = data["rating"]
        when = "--:--:--" if rating is None else clock_time(rating["rated_at"])
        said = "taken back" if rating is None else rating_of(rating)
        reason = "" if rating is None else printable(rating.get("reason") or "")
        parts = [when, "rating", said, data["id"], reason]
    else:
        return ""
    return " ".join(each for each in parts if each)
