"""Single keys from a terminal, which is put back as it was, however that ends."""

import contextlib
import os
import select
from collections.abc import Iterator, Mapping
from types import MappingProxyType

try:
    import termios
    import tty
except ImportError:  # pragma: no cover  # Windows
    HAS_KEYS = False
else:
    HAS_KEYS = True

UP, DOWN, TOP, PAGE_UP, PAGE_DOWN = "up", "down", "top", "page up", "page down"

_SEQUENCES: Mapping[bytes, str] = MappingProxyType(
    {
        b"\x1b[A": UP, b"\x1bOA": UP,
        b"\x1b[B": DOWN, b"\x1bOB": DOWN,
        b"\x1b[H": TOP, b"\x1bOH": TOP, b"\x1b[1~": TOP,
        b"\x1b[5~": PAGE_UP, b"\x1b[6~": PAGE_DOWN,
    }
)  # fmt: skip


class Keys:
    """The keys of the terminal at `fd`, while entered."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        # Whoever has something to show wakes whoever waits for keys.
        self._woken, self._wake = os.pipe()
        os.set_blocking(self._wake, False)

    @contextlib.contextmanager
    def open(self) -> Iterator[None]:
        """Keys come one by one and are not shown; Ctrl-C interrupts as ever."""
        before = termios.tcgetattr(self._fd)
        try:
            tty.setcbreak(self._fd)
            yield
        finally:
            termios.tcsetattr(self._fd, termios.TCSADRAIN, before)

    def wake(self) -> None:
        """End the wait; from any thread."""
        # It is full of wake-ups already.
        with contextlib.suppress(BlockingIOError):
            os.write(self._wake, b"!")

    def wait(self, timeout_seconds: float) -> list[str]:
        """The keys that were pressed; none when somebody woke us, or when that time is over."""
        ready, _, _ = select.select([self._fd, self._woken], [], [], timeout_seconds)
        if self._woken in ready:
            os.read(self._woken, 4096)
        return keys_of(os.read(self._fd, 256)) if self._fd in ready else []


def keys_of(data: bytes) -> list[str]:
    """The keys that a terminal says with these bytes; of unknown ones none."""
    keys: list[str] = []
    while data:
        sequence = next((each for each in _SEQUENCES if data.startswith(each)), b"")
        if sequence:
            keys.append(_SEQUENCES[sequence])
            data = data[len(sequence) :]
            continue
        if 32 < data[0] < 127:
            keys.append(chr(data[0]))
        data = data[1:]
    return keys
