"""Multipart forms are read in passing, however the bytes are cut."""

import hashlib
import random

import pytest

from proxy.demo.forms import FormScanner

CONTENT = random.Random(7).randbytes(20_000) + b"\r\n--bound\r\n--boundar"
BODY = (
    b'--boundary\r\nContent-Disposition: form-data; name="purpose"\r\n\r\nbatch\r\n'
    b'--boundary\r\nContent-Disposition: form-data; name="file"; filename="a b.bin"\r\n'
    b"Content-Type: application/octet-stream\r\n\r\n" + CONTENT + b"\r\n--boundary--\r\nepilogue"
)


@pytest.mark.parametrize("step", [1, 7, 64, 1000, len(BODY)])
def test_a_form_is_the_same_in_pieces_of_any_size(step: int) -> None:
    scanner = FormScanner("boundary")
    for start in range(0, len(BODY), step):
        scanner.feed(BODY[start : start + step])
    purpose, file = scanner.parts
    assert (purpose.name, purpose.filename, purpose.start) == ("purpose", None, b"batch")
    assert (file.name, file.filename, file.size) == ("file", "a b.bin", len(CONTENT))
    assert file.sha256 == hashlib.sha256(CONTENT).hexdigest()
    assert scanner.complete


def test_a_form_without_its_end_is_not_complete() -> None:
    scanner = FormScanner("boundary")
    scanner.feed(BODY[: -len(b"--boundary--\r\nepilogue")])
    assert not scanner.complete


def test_a_large_file_is_not_kept() -> None:
    scanner = FormScanner("b")
    scanner.feed(b'--b\r\nContent-Disposition: form-data; name="file"; filename="x"\r\n\r\n')
    for _ in range(100):
        scanner.feed(b"x" * 100_000)
    assert scanner.parts[0].size > 9_000_000
    assert len(scanner.parts[0].start) == 4_096
