"""Where a route leads."""

import ssl
from dataclasses import dataclass

from yarl import URL

from proxy.relay.forward_proxy import ForwardProxy
from proxy.relay.names import bracketed


@dataclass(frozen=True, slots=True)
class Upstream:
    """Where a route leads. `prefix` stands before every target; `authority` is what `Host` says.

    `proxy`: through which it is reached, if it is not reached directly.
    """

    host: str
    port: int
    tls: ssl.SSLContext | None
    prefix: bytes
    authority: bytes
    proxy: ForwardProxy | None = None

    @classmethod
    def from_url(
        cls, url: str, *, tls: ssl.SSLContext | None = None, proxy: ForwardProxy | None = None
    ) -> "Upstream":
        """`url`: http or https, a host, an optional port and path. `tls`: used where it is https."""
        parsed = URL(url, encoded=True)
        # As it stands in DNS and in `Host`: yarl's `host` would give an internationalised name in its own letters.
        host, port = (parsed.raw_host or "").lower(), parsed.port
        if not host or port is None or parsed.scheme not in ("http", "https"):
            raise ValueError("an upstream needs an http or https URL with a host")
        name = bracketed(host)
        return cls(
            host=host,
            port=port,
            tls=(tls or ssl.create_default_context()) if parsed.scheme == "https" else None,
            prefix=parsed.raw_path.rstrip("/").encode("ascii"),
            authority=(name if parsed.is_default_port() else f"{name}:{port}").encode("ascii"),
            proxy=proxy,
        )

    def __str__(self) -> str:
        return self.authority.decode("ascii")

    @property
    def way(self) -> str:
        """Where a connection goes, in words."""
        return str(self) if self.proxy is None else f"{self} (through the proxy {self.proxy})"
