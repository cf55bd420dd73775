"""A gateway that is a listening socket: a test serves it by hand, or gives a script for each connection."""

import contextlib
import socket
import ssl
import threading
from collections.abc import Callable
from select import select
from types import TracebackType
from typing import Protocol, Self

from harness.loops import DEADLINE_SECONDS
from harness.wire import Message, Truncated, Wire


class UpstreamWire(Wire):
    """The gateway's end of a connection. What was asked on it is kept in `requests`."""

    def __init__(self, sock: socket.socket, number: int) -> None:
        super().__init__(sock)
        self.number = number
        self.requests: list[Message] = []

    def read_request(self) -> Message:
        """The next request, whole. Raises Truncated."""
        request = self.read_body(self.read_head(), until_close=False)
        self.requests.append(request)
        return request

    def read_request_head(self) -> Message:
        """The next request's head alone; its body is left to be read. Raises Truncated."""
        request = Message(self.read_head())
        self.requests.append(request)
        return request


Script = Callable[[UpstreamWire], None]


class Upstream:
    """Listens. The test accepts connections and plays the gateway on them, line by line."""

    def __init__(self, *, tls: ssl.SSLContext | None = None, receive_buffer_bytes: int | None = None) -> None:
        self._tls = tls
        self._listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        if receive_buffer_bytes is not None:
            self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer_bytes)
        self._listener.bind(("127.0.0.1", 0))
        self._listener.listen(128)
        self._listener.settimeout(DEADLINE_SECONDS)
        self.port: int = self._listener.getsockname()[1]
        self.connections: list[UpstreamWire] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._listener.close()
        for connection in self.connections:
            connection.close()

    @property
    def authority(self) -> bytes:
        """What `Host` has to say to it."""
        return f"127.0.0.1:{self.port}".encode()

    @property
    def url(self) -> str:
        """Where it is."""
        scheme = "http" if self._tls is None else "https"
        return f"{scheme}://{self.authority.decode()}"

    @property
    def requests(self) -> list[Message]:
        """All that was asked so far, connection by connection."""
        return [request for connection in self.connections for request in connection.requests]

    def accept(self) -> UpstreamWire:
        """The next connection."""
        sock, _ = self._listener.accept()
        if self._tls is not None:
            sock.settimeout(DEADLINE_SECONDS)
            sock = self._tls.wrap_socket(sock, server_side=True)
        connection = UpstreamWire(sock, len(self.connections))
        self.connections.append(connection)
        return connection

    def is_called(self) -> bool:
        """Whether a connection waits to be accepted."""
        return bool(select([self._listener], [], [], 0)[0])


class ScriptedUpstream(Upstream):
    """Runs `script` for every connection, in a thread of its own, and closes the connection after it.

    A script may let the end of its connection pass as an exception; whatever else it raises, leaving raises.
    """

    def __init__(
        self,
        script: Script,
        *,
        tls: ssl.SSLContext | None = None,
        receive_buffer_bytes: int | None = None,
    ) -> None:
        super().__init__(tls=tls, receive_buffer_bytes=receive_buffer_bytes)
        self._script = script
        self._threads = [threading.Thread(target=self._accept_all, name="upstream", daemon=True)]
        self._failures: list[BaseException] = []
        self._stopping = threading.Event()

    def __enter__(self) -> Self:
        self._threads[0].start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopping.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        for connection in self.connections:
            connection.shut_down()
        for thread in self._threads:
            thread.join(DEADLINE_SECONDS)
            assert not thread.is_alive(), "a script does not end"
        super().__exit__(kind, error, trace)
        if self._failures and error is None:
            raise self._failures[0]

    def _accept_all(self) -> None:
        while not self._stopping.is_set():
            try:
                connection = self.accept()
            except ssl.SSLError:
                continue  # The client did not like our certificate: that is for it to say.
            except OSError:
                if self._stopping.is_set():
                    return
                continue
            thread = threading.Thread(target=self._run, args=(connection,), name="upstream", daemon=True)
            self._threads.append(thread)
            thread.start()

    def _run(self, connection: UpstreamWire) -> None:
        try:
            self._script(connection)
        except (Truncated, ConnectionError, TimeoutError):
            pass  # The other side has ended: the test says whether that was right.
        except BaseException as error:  # noqa: BLE001  # a thread's failure is the test's
            self._failures.append(error)
        finally:
            connection.close()


class StartUpstream(Protocol):
    """Starts a gateway that runs a script on every connection."""

    def __call__(self, script: Script, *, receive_buffer_bytes: int | None = None) -> ScriptedUpstream: ...


def answering(*answers: bytes) -> Script:
    """A script that gives these answers on every connection, one for each request, the last one ever after."""

    def script(connection: UpstreamWire) -> None:
        left = list(answers)
        while True:
            connection.read_request()
            connection.send(left.pop(0) if len(left) > 1 else left[0])

    return script
