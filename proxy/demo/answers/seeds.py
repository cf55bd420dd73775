"""Where an answer's ids, words and numbers come from: one seed, so that equal seeds give equal bytes."""

import hashlib
import re
import string
from collections.abc import Iterator
from dataclasses import dataclass

ALPHABET = string.ascii_letters + string.digits
BLOCK_BYTES = 65_536

OPENINGS = (
    "Good question.",
    "Certainly!",
    "Let me think about that.",
    "Here is how I see it.",
    "In short: yes, with one reservation.",
)
SENTENCES = (
    "The shortest path is usually the one that somebody has already walked.",
    "Measure first, since intuition about speed is wrong more often than right.",
    "A café in Zürich serves it with a pinch of salt 🧂, which is worth a try.",
    "Write down what you expect, then run it and compare.",
    "Two small steps are safer than one large step.",
    "If it can wait until tomorrow, it becomes simpler overnight.",
    "Ask the person who has to live with the result.",
)


@dataclass(frozen=True, slots=True)
class Seed:
    """`material` decides everything but the time."""

    material: bytes
    created: int
    """Unix time in whole seconds, as it stands in answers."""

    def digest(self, label: str) -> bytes:
        """32 bytes for one purpose; another label gives others."""
        return hashlib.sha256(label.encode() + b"\0" + self.material).digest()

    def number(self, label: str, below: int) -> int:
        """A number from 0 up to `below`."""
        return int.from_bytes(self.digest(label)[:8]) % below

    def name(self, prefix: str, length: int) -> str:
        """An id like `chatcmpl-…` in letters and digits."""
        value = int.from_bytes(self.digest(prefix) + self.digest(prefix + "+"))
        letters = []
        for _ in range(length):
            value, index = divmod(value, len(ALPHABET))
            letters.append(ALPHABET[index])
        return prefix + "".join(letters)

    def hex_name(self, prefix: str, length: int) -> str:
        """An id like `resp_…` in hexadecimal digits."""
        return prefix + (self.digest(prefix) + self.digest(prefix + "+")).hex()[:length]

    def text(self, prompt: str, label: str = "") -> str:
        """A few sentences that mention what was asked."""
        topic = " ".join(prompt.split())[:60]
        opening = OPENINGS[self.number(f"opening{label}", len(OPENINGS))]
        about = f"You asked about “{topic}”." if topic else "You asked about nothing in particular."
        first = self.number(f"sentence{label}", len(SENTENCES))
        second = (first + 1 + self.number(f"second{label}", len(SENTENCES) - 1)) % len(SENTENCES)
        return " ".join((opening, about, SENTENCES[first], SENTENCES[second]))


def tokens_of(text: str) -> list[str]:
    """`text` cut like a stream of tokens; joined, they are the text again."""
    return re.findall(r"\s*\S+|\s+$", text)


def pseudo_random_blocks(name: str, size: int) -> Iterator[bytes]:
    """`size` bytes that depend on `name` alone, in pieces, without ever holding all of them."""
    for number, start in enumerate(range(0, size, BLOCK_BYTES)):
        wanted = min(BLOCK_BYTES, size - start)
        yield hashlib.shake_256(f"{name}/{number}".encode()).digest(wanted)
