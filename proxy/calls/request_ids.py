"""Fresh request ids, for calls that come without one."""

import os
import struct
from collections.abc import Callable, Iterator

_IDS_AT_A_TIME = 128


def fresh_ids(urandom: Callable[[int], bytes] = os.urandom) -> Iterator[bytes]:
    """Random UUIDs of version 4 in lower case (RFC 9562 §5.4), 128 at a time: that is several times cheaper."""
    mask = int.from_bytes(bytes.fromhex("ffffffffffff0fff3fffffffffffffff") * _IDS_AT_A_TIME)
    version_and_variant = int.from_bytes(bytes.fromhex("00000000000040008000000000000000") * _IDS_AT_A_TIME)
    size = 16 * _IDS_AT_A_TIME
    while True:
        octets = int.from_bytes(urandom(size)) & mask | version_and_variant
        for groups in struct.iter_unpack("8s4s4s4s12s", octets.to_bytes(size).hex().encode()):
            yield b"-".join(groups)
