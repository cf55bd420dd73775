"""What an attacker, or chance, makes of valid bytes: blind mutations, and such as know what they look at."""

import re
from collections.abc import Callable
from random import Random

Mutation = Callable[[Random, bytes], bytes]

_BYTES = b"\r\n \t\0:;,=\"'#/\\.%?*@0123456789abcdefxX-+_\x0b\x0c\x7f\x80\xff\xa0{}()[]<>"
_TOKENS = (
    b"\r\n", b"\n", b"\r", b"\r\n\r\n", b"\n\n", b"\r\r\n", b"\n\r", b"\0", b"\x0b", b"\x85", b" ", b"\t",
    b"0\r\n\r\n", b"HTTP/1.1", b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", b"Content-Length: 5\r\n",
    b"chunked",
)  # fmt: skip
_LINES = (
    b"Content-Length: 0", b"Content-Length: 5", b"content-length: 5", b"Content-Length: 5, 5",
    b"Content-Length: 05", b"Content-Length: +5", b"Content-Length: -1", b"Content-Length: 0x5",
    b"Content-Length: 5 5", b"Content-Length:", b"Content-Length: 5;",
    b"Content-Length: 18446744073709551615", b"Content-Length: 18446744073709551616",
    b"Content-Length: 99999999999999999999999", b"Content-Length: 1_0", b"Content-Length: \xb2",
    b"Content-Length : 5", b"Content_Length: 5", b"Content-Length\t: 5", b"Content-Length: 5.0",
    b"Content-Length:\x0b5", b"Transfer-Encoding: chunked", b"transfer-encoding: CHUNKED",
    b"Transfer-Encoding: chunked, chunked", b"Transfer-Encoding: gzip, chunked",
    b"Transfer-Encoding: chunked, identity", b"Transfer-Encoding: identity", b"Transfer-Encoding: xchunked",
    b"Transfer-Encoding: chunked;q=1", b"Transfer-Encoding:", b"Transfer-Encoding: ,",
    b"Transfer-Encoding: chunked,", b"Transfer-Encoding: ,chunked", b"Transfer-Encoding: \x0bchunked",
    b"Transfer-Encoding : chunked", b"Transfer-Encoding:\tchunked\t", b"Transfer-Encoding: 'chunked'",
    b"Transfer-Encoding: chunked\x85", b"Transfer_Encoding: chunked", b"Transfer-Encoding: cow",
    b"Host: localhost", b"Host: attacker.test", b"Host:", b"Host: localhost, localhost",
    b"host: a.localhost:80", b"Connection: close", b"Connection: keep-alive", b"Connection: upgrade",
    b"Connection: content-length", b"Connection: transfer-encoding", b"Connection: host, te",
    b"Connection: close, keep-alive", b"Connection: ,", b"Connection: closed", b"Connection: close;x",
    b"Proxy-Connection: close", b"Proxy-Connection: keep-alive", b'Connection: "close"',
    b"Connection: close close", b"Connection: upgrade, close", b"Upgrade: websocket", b"Upgrade: h2c",
    b"Upgrade: websocket, h2c", b"Upgrade:", b"Upgrade: WEBSOCKET", b"Expect: 100-continue",
    b"Expect: 200-ok", b"TE: trailers", b"TE: chunked", b"Max-Forwards: 0", b"Max-Forwards: 1",
    b"Max-Forwards: x", b"Trailer: Content-Length", b" folded: 1", b"\tfolded", b"nocolon", b": empty",
    b"X{}: 1", b"X\xe9: 1", b"X Y: 1", b"X: \x01", b"X: \x7f", b"X: a\0b", b"X: a\rb", b"X: a\nb: c", b"X:",
    b"x:\t\t", b"(x): 1", b"X@: 1", b"X: " + b"y" * 3000, b"Set-Cookie: a=b",
)  # fmt: skip
_VERSIONS = (
    b"HTTP/1.0", b"HTTP/1.2", b"HTTP/2.0", b"HTTP/0.9", b"HTTP/1.10", b"HTTP/01.1", b"http/1.1",
    b"HTTP/1.1 ", b"HTTP/1,1", b"HTTP/11", b"HTTPS/1.1", b"HTTP /1.1", b"HTTP/9.9", b"", b"\tHTTP/1.1",
    b"HTTP/1.1x",
)  # fmt: skip
_TARGETS = (
    b"*", b"x", b"/..", b"/%2e%2e/x", b"/a/.%2E", b"/a%2f..%2Fb", b"/a\\b", b"/%5c..", b"/x#y", b"/x?y#z",
    b"/\x80", b"/a b", b"http://attacker.test/", b"http://user@localhost/", b"http:///x",
    b"ftp://localhost/", b"localhost:80", b"//localhost/x", b"/?/../x", b"/a/..;/b", b"/./x",
    b"http://localhost/../x", b"HTTP://localhost", b"http://[::1]:80/", b"http://localhost:99999/",
    b"http://localhost#x", b"/x\tHTTP/1.1",
)  # fmt: skip
_METHODS = (
    b"get",
    b"BREW",
    b"CONNECT",
    b"TRACE",
    b"GE",
    b"GETX",
    b"",
    b"PRI",
    b"DESCRIBE",
    b"G\0T",
    b"(GET)",
)
_STATUSES = (
    b"000", b"099", b"100", b"101", b"103", b"199", b"204", b"205", b"304", b"600",
    b"999", b"20", b"2000", b"-20", b"2 0", b"0x1", b"2e1", b"",
)  # fmt: skip
_SIZES = (
    b"0", b"00", b"+5", b"-1", b"0x5", b" 5", b"5 ", b"5\t", b"g", b"", b"5;", b"5;a=", b"5;=b", b'5;a="',
    b"5;a b", b"5 ;a", b"5; a", b"5;a\0", b"5;a\n", b"ffffffffffffffff", b"10000000000000000",
    b"1ffffffffffffffff", b"5,5", b"5\r", b"\xb2", b"5;a=b;c=d;e", b"0;a", b"5;\xe9", b'5;a="\xe9"', b"_5",
    b"5_", b"5;;", b"0000000000000000000000005",
)  # fmt: skip
_ENDS = (
    b"\n",
    b"\r",
    b"\r\r\n",
    b"\n\r",
    b"\r\n\r\n",
    b"\r\n ",
    b"",
    b"\0\r\n",
    b"\r\0\n",
    b" \r\n",
    b"\x85",
)


def _at(random: Random, data: bytes) -> int:
    return random.randrange(len(data) + 1)


def _span(random: Random, data: bytes) -> tuple[int, int]:
    start = _at(random, data)
    return start, min(len(data), start + random.choice((1, 1, 1, 2, 3, 8, 40)))


def flip_bit(random: Random, data: bytes) -> bytes:
    """One bit."""
    if not data:
        return data
    at = random.randrange(len(data))
    return data[:at] + bytes((data[at] ^ 1 << random.randrange(8),)) + data[at + 1 :]


def replace_byte(random: Random, data: bytes) -> bytes:
    """One byte becomes one that means something somewhere."""
    start, _ = _span(random, data)
    return data[:start] + bytes((random.choice(_BYTES),)) + data[start + 1 :]


def insert_byte(random: Random, data: bytes) -> bytes:
    """One byte more."""
    at = _at(random, data)
    return data[:at] + bytes((random.choice(_BYTES),)) + data[at:]


def insert_token(random: Random, data: bytes) -> bytes:
    """A few bytes that mean something, somewhere."""
    at = _at(random, data)
    return data[:at] + random.choice(_TOKENS) + data[at:]


def delete(random: Random, data: bytes) -> bytes:
    """Some bytes less."""
    start, end = _span(random, data)
    return data[:start] + data[end:]


def duplicate(random: Random, data: bytes) -> bytes:
    """Some bytes twice."""
    start, end = _span(random, data)
    return data[:end] + data[start:end] + data[end:]


def truncate(random: Random, data: bytes) -> bytes:
    """It ends early."""
    return data[: _at(random, data)]


def move(random: Random, data: bytes) -> bytes:
    """Some bytes stand elsewhere."""
    start, end = _span(random, data)
    rest = data[:start] + data[end:]
    at = _at(random, rest)
    return rest[:at] + data[start:end] + rest[at:]


def _in_head(random: Random, data: bytes, change: Callable[[list[bytes]], list[bytes]]) -> bytes:
    """Change the lines of one of the heads: `change` gets them without their ends, the start line first."""
    heads = [match.start() for match in re.finditer(rb"(?:[A-Z-]+ \S+ HTTP/1|HTTP/1\.\d \d)", data)]
    start = random.choice(heads) if heads else 0
    end = data.find(b"\r\n\r\n", start)
    if end < 0:
        return data
    lines = change(data[start:end].split(b"\r\n"))
    return data[:start] + b"\r\n".join(lines) + data[end:]


def insert_line(random: Random, data: bytes) -> bytes:
    """A header line more, of the kind that makes trouble."""

    def change(lines: list[bytes]) -> list[bytes]:
        lines.insert(random.randrange(1, len(lines) + 1), random.choice(_LINES))
        return lines

    return _in_head(random, data, change)


def replace_line(random: Random, data: bytes) -> bytes:
    """Another line in the place of one."""

    def change(lines: list[bytes]) -> list[bytes]:
        lines[random.randrange(len(lines))] = random.choice(_LINES)
        return lines

    return _in_head(random, data, change)


def duplicate_line(random: Random, data: bytes) -> bytes:
    """A line twice, or far too often."""

    def change(lines: list[bytes]) -> list[bytes]:
        line = random.choice(lines)
        lines.insert(random.randrange(len(lines) + 1), line)
        return lines + [line] * random.choice((0, 0, 0, 0, 300))

    return _in_head(random, data, change)


def delete_line(random: Random, data: bytes) -> bytes:
    """A line less."""

    def change(lines: list[bytes]) -> list[bytes]:
        del lines[random.randrange(len(lines))]
        return lines

    return _in_head(random, data, change)


def change_field(random: Random, data: bytes) -> bytes:
    """A line in another spelling: case, colon, blanks, ends."""

    def change(lines: list[bytes]) -> list[bytes]:
        at = random.randrange(len(lines))
        name, colon, value = lines[at].partition(b":")
        spellings = (
            name.swapcase() + colon + value,
            name + b" :" + value,
            name + b":" + value.strip(),
            name + b": \t " + value + b"\t ",
            name + b":\x0b" + value,
            name + b"::" + value,
            b" " + lines[at],
            name.replace(b"-", b"_") + colon + value,
            name + colon + value.upper(),
            name + colon + value + b"," + value,
            name + colon + value + b"\r\n " + value,
            name + colon + value + b"\r\n\t",
            name + b"\0" + colon + value,
        )
        lines[at] = random.choice(spellings)
        return lines

    return _in_head(random, data, change)


def change_start(random: Random, data: bytes) -> bytes:
    """Another method, target, version or status."""

    def change(lines: list[bytes]) -> list[bytes]:
        words = lines[0].split(b" ")
        at = random.randrange(min(3, len(words)))
        if words[0].startswith(b"HTTP/"):
            words[at] = random.choice((_VERSIONS, _STATUSES, _TOKENS)[at])
        else:
            words[at] = random.choice((_METHODS, _TARGETS, _VERSIONS)[at])
        lines[0] = random.choice((b" ",) * 12 + (b"  ", b"\t", b"\x0b")).join(words)
        return lines

    return _in_head(random, data, change)


def change_line_end(random: Random, data: bytes) -> bytes:
    """One of the line ends is none, or another."""
    ends = [match.start() for match in re.finditer(rb"\r\n", data)]
    if not ends:
        return data
    at = random.choice(ends)
    return data[:at] + random.choice(_ENDS) + data[at + 2 :]


def change_length(random: Random, data: bytes) -> bytes:
    """A length that is a little wrong."""
    found = list(re.finditer(rb"(?i)(?<=content-length: )\d+", data))
    if not found:
        return insert_line(random, data)
    match = random.choice(found)
    size = int(match[0])
    spelling = random.choice(
        (
            b"%d" % (size + 1),
            b"%d" % max(0, size - 1),
            b"0%d" % size,
            b"%d" % (size + 1000),
            b"%x" % size,
            b" %d" % size,
        )
    )
    return data[: match.start()] + spelling + data[match.end() :]


def change_chunk_size(random: Random, data: bytes) -> bytes:
    """A chunk that is a little longer or shorter than it says, or says it in an odd way."""
    found = list(re.finditer(rb"(?<=\r\n)([0-9a-fA-F]+)((?:;[^\r\n]*)?)(?=\r\n)", data))
    if not found:
        return change_length(random, data)
    match = random.choice(found)
    size = int(match[1], 16)
    spelling = random.choice(
        (b"%x" % (size + 1), b"%x" % max(0, size - 1), b"0" * 30 + match[1], match[1] + b";" * 2, *_SIZES)
    )
    return data[: match.start()] + spelling + data[match.end() :]


def insert_trailer(random: Random, data: bytes) -> bytes:
    """A header line behind the last chunk."""
    found = [match.end() for match in re.finditer(rb"\r\n0+(?:;[^\r\n]*)?\r\n", data)]
    if not found:
        return insert_line(random, data)
    at = random.choice(found)
    return data[:at] + random.choice(_LINES) + b"\r\n" + data[at:]


def append_junk(random: Random, data: bytes) -> bytes:
    """Something behind it all."""
    return data + random.choice(
        (*_TOKENS, b"x", b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil", b"\r\n\r\nx")
    )


BLIND: tuple[Mutation,
    ...] = (
    flip_bit, replace_byte, insert_byte, insert_token, delete, duplicate, truncate, move,
)  # fmt: skip
KNOWING: tuple[Mutation, ...] = (
    insert_line, insert_line, insert_line, replace_line, duplicate_line, delete_line, change_field,
    change_field, change_start, change_start, change_line_end, change_line_end, change_length,
    change_chunk_size, change_chunk_size, insert_trailer, append_junk,
)  # fmt: skip


def mutate(random: Random, data: bytes, other: bytes) -> bytes:
    """`data` with up to three things done to it; one of them may be a splice with `other`."""
    for _ in range(random.choice((0, 1, 1, 1, 1, 2, 2, 3))):
        kind = random.random()
        if kind < 0.05:
            data = data[: _at(random, data)] + other[_at(random, other) :]
        else:
            data = random.choice(BLIND if kind < 0.35 else KNOWING)(random, data)
    return data
