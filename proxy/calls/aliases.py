"""What else a call is called: ids that an app holds anyway, of its request, of the answer, of its body."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

CLIENT_REQUEST_ID = b"x-client-request-id"
ANSWER_IDS = (b"x-request-id", b"request-id")
"""OpenAI's header, and Anthropic's."""
_USABLE = re.compile(r"(?![sp]k-|\.{1,2}\Z)[A-Za-z0-9._~:@!$&'()*+,;=-]{1,200}")
"""What a segment of a URL's path holds as it is (RFC 3986 §3.3); anything else would have to be encoded.
No dot segment, and nothing that looks like a key: that would be kept and shown."""


@dataclass(frozen=True, slots=True)
class Naming:
    """Which names calls get.

    `message_id_header`: in lower case; empty for none. `reserved`: what means other things where an id may stand.
    """

    message_id_header: bytes = b""
    reserved: frozenset[str] = frozenset()

    def usable(self, text: str) -> bool:
        """Whether a call can be found by that."""
        return _USABLE.fullmatch(text) is not None and text not in self.reserved

    def of_request(self, said: Mapping[bytes, bytes]) -> tuple[str, ...]:
        """The names in what a request's headers say."""
        known: tuple[str, ...] = ()
        for header in (CLIENT_REQUEST_ID, self.message_id_header):
            name = said.get(header)
            if name is not None:
                known = self.plus(known, name.decode("latin-1"))
        return known

    def of_answer(self, fields: Mapping[bytes, bytes], known: tuple[str, ...]) -> tuple[str, ...]:
        """`known`, and the names in an answer's headers."""
        for header in ANSWER_IDS:
            if header in fields:
                known = self.plus(known, fields[header].decode("latin-1"))
        return known

    def plus(self, known: tuple[str, ...], text: str) -> tuple[str, ...]:
        """`known`, and that name, if it can be one."""
        return (*known, text) if text not in known and self.usable(text) else known
