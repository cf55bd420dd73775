"""Certificate authorities of our own, made by openssl."""

import ssl
import subprocess
from dataclasses import dataclass
from pathlib import Path

_NEW_KEY = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes"


@dataclass(frozen=True)
class Authority:
    """A certificate authority that nobody trusts yet."""

    folder: Path

    @classmethod
    def make(cls, folder: Path) -> "Authority":
        """A new one, with its files in `folder`."""
        made = cls(folder)
        _openssl(
            f"req -x509 {_NEW_KEY} -days 2 -subj /CN=Test -keyout {folder}/ca.key -out {made.certificate}"
        )
        return made

    @property
    def certificate(self) -> Path:
        """What a client has to trust."""
        return self.folder / "ca.pem"

    def server(self, name: str, *, days: int = 2) -> ssl.SSLContext:
        """TLS for a server with a certificate for `name` (`DNS:…` or `IP:…`), perhaps a lapsed one."""
        stem = self.folder / f"{name.replace(':', '_').replace('.', '-')}_{days}"
        if not stem.with_suffix(".pem").exists():
            extension = stem.with_suffix(".ext")
            extension.write_text(f"subjectAltName={name}\nbasicConstraints=critical,CA:FALSE\n")
            _openssl(f"req {_NEW_KEY} -subj /CN=x -keyout {stem}.key -out {stem}.csr")
            _openssl(
                f"x509 -req -in {stem}.csr -CA {self.certificate} -CAkey {self.folder}/ca.key -CAcreateserial"
                f" -days {days} -extfile {extension} -out {stem}.pem"
            )
        return _server(f"{stem}.pem", f"{stem}.key")

    def itself(self) -> ssl.SSLContext:
        """TLS for a server that shows the authority's own certificate, signed by itself."""
        return _server(str(self.certificate), f"{self.folder}/ca.key")


def _server(certificate: str, key: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return context


def _openssl(arguments: str) -> None:
    subprocess.run(["openssl", *arguments.split()], check=True, capture_output=True)
