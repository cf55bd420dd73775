"""Why a connection cannot be opened, in words that follow 'cannot be reached: '. Pure."""

import os
import re
import socket
import ssl
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

_UNKNOWN_AUTHORITY: Final = (
    "comes from an authority that is not trusted here ({said}); if you trust it, name a file with its "
    "certificate in [upstream] ca_file"
)
_CERTIFICATE_WORDS: Final[Mapping[int, str]] = MappingProxyType(
    {
        # The numbers are OpenSSL's X509_V_ERR_…; ssl has no names for them.
        2: _UNKNOWN_AUTHORITY,
        9: "is not valid yet, if this machine's clock is right",
        10: "has expired, if this machine's clock is right",
        18: "is signed by itself and by no authority; if you trust it, name its file in [upstream] ca_file",
        19: _UNKNOWN_AUTHORITY,
        20: _UNKNOWN_AUTHORITY,
        21: _UNKNOWN_AUTHORITY,
        23: "has been revoked",
        62: "is for another name",
        64: "is for another address",
    }
)
_SEVERAL: Final = re.compile(r"\[Errno ([0-9]+)\]")


class Explained(OSError):
    """A connection that could not be opened. Its text is the reason, in words."""


def of_failure(error: OSError) -> str:
    """Say what happened on the way to a host."""
    if isinstance(error, Explained):
        return str(error)
    if isinstance(error, ssl.SSLCertVerificationError):
        return of_certificate(error)
    if isinstance(error, ssl.SSLError):
        return _of_handshake(error)
    if isinstance(error, socket.gaierror):
        return "its name cannot be resolved"
    if isinstance(error, ConnectionRefusedError):
        return "the connection was refused"
    if isinstance(error, TimeoutError):
        return "nothing answers there"
    if error.errno:
        return _of_number(error.errno)
    # Several addresses failed, each in another way.
    numbers = dict.fromkeys(map(int, _SEVERAL.findall(str(error))))
    return ", ".join(map(_of_number, numbers)) or type(error).__name__


def of_certificate(error: ssl.SSLCertVerificationError) -> str:
    """Say what is wrong with a host's certificate."""
    said = error.verify_message.rstrip(".")
    words = _CERTIFICATE_WORDS.get(error.verify_code, "is not valid ({said})")
    return f"its certificate {words.format(said=said)}"


def _of_handshake(error: ssl.SSLError) -> str:
    if error.reason in ("WRONG_VERSION_NUMBER", "HTTP_REQUEST", "RECORD_LAYER_FAILURE"):
        return "it does not speak TLS on that port; is https:// right?"
    return f"the TLS handshake failed ({error.reason or 'the connection was closed'})"


def _of_number(number: int) -> str:
    words = os.strerror(number)
    return words[:1].lower() + words[1:]
