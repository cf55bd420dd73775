"""The peers: what else one could put there, each with one worker on one core, each only where it is installed."""

import json
from collections.abc import Callable
from dataclasses import dataclass

from benchmarks.processes import LOOPBACK
from benchmarks.programs import PEERS, configuration, find_program, version_of
from benchmarks.results import TargetInfo
from benchmarks.targets import Site, Target

APT = "apt-get install nginx-light haproxy caddy wrk"
_MAKE = "make bench-peers"


@dataclass(frozen=True)
class Peer:
    """A peer that may be installed. `find` gives None where it is not; then `install` is the way."""

    name: str
    install: str
    find: Callable[[], Target | None]


def _configured(site: Site, name: str) -> str:
    return site.write(name, configuration(name, port=site.port, upstream_port=site.upstream_port))


def nginx_command(program: str, site: Site, text: str) -> list[str]:
    """How nginx is started in a folder of its own, also by somebody who is not root."""
    return [program, "-p", str(site.folder), "-c", site.write("nginx.conf", text), "-e", "stderr"]


def _nginx() -> Target | None:
    if (program := find_program("nginx")) is None:
        return None

    def command(site: Site) -> list[str]:
        text = configuration("nginx.conf", port=site.port, upstream_port=site.upstream_port)
        return nginx_command(program, site, text)

    return Target(TargetInfo(name="nginx", title="nginx", version=version_of([program, "-v"])), command)


def _haproxy() -> Target | None:
    if (program := find_program("haproxy")) is None:
        return None
    return Target(
        TargetInfo(name="haproxy", title="HAProxy", version=version_of([program, "-v"])),
        lambda site: [program, "-db", "-f", _configured(site, "haproxy.cfg")],
    )


def _caddy() -> Target | None:
    if (program := find_program("caddy")) is None:
        return None
    return Target(
        TargetInfo(name="caddy", title="Caddy (Go)", version=version_of([program, "version"])),
        lambda site: [
            *(program, "run", "--adapter", "caddyfile"),
            *("--config", _configured(site, "Caddyfile")),
        ],
        environment={"GOMAXPROCS": "1"},
    )


def _envoy() -> Target | None:
    if (program := find_program("envoy")) is None:
        return None
    return Target(
        TargetInfo(
            name="envoy",
            title="Envoy (C++)",
            # The revision, which could look like one, stands before it.
            version=version_of(["sh", "-c", '"$0" --version | grep -o "/[0-9.]*/"', program]),
        ),
        lambda site: [
            *(program, "--concurrency", "1", "--disable-hot-restart", "-l", "error"),
            *("-c", _configured(site, "envoy.yaml")),
        ],
    )


def _mitmproxy() -> Target | None:
    if (program := find_program("mitmdump")) is None:
        return None
    return Target(
        TargetInfo(name="mitmproxy", title="mitmproxy (Python)", version=version_of([program, "--version"])),
        # Without stream_large_bodies it holds a stream back to its end.
        lambda site: [
            *(program, "--mode", f"reverse:{site.upstream_url}@{LOOPBACK}:{site.port}", "-q"),
            *("--set", "stream_large_bodies=1", "--set", "flow_detail=0"),
            *("--set", f"confdir={site.folder}"),
        ],
    )


def _litellm() -> Target | None:
    if (program := find_program("litellm")) is None:
        return None
    return Target(
        TargetInfo(name="litellm", title="LiteLLM (Python)", version=version_of([program, "--version"])),
        lambda site: [
            *(program, "--config", _configured(site, "litellm.yaml"), "--num_workers", "1"),
            *("--host", LOOPBACK, "--port", str(site.port)),
        ],
        environment={
            "LITELLM_DANGEROUSLY_PERMIT_WEAK_OR_UNSET_MASTER_KEY": "true",
            "LITELLM_LOCAL_MODEL_COST_MAP": "True",
            "LITELLM_LOG": "ERROR",
        },
        model="mock",
    )


def _portkey() -> Target | None:
    folder = PEERS / "portkey" / "node_modules" / "@portkey-ai" / "gateway"
    node = find_program("node")
    if node is None or not folder.is_dir():
        return None
    return Target(
        TargetInfo(
            name="portkey",
            title="Portkey (Node)",
            version=json.loads((folder / "package.json").read_text("utf-8"))["version"],
        ),
        lambda site: [
            *(node, str(folder / "build" / "start-server.js")),
            *(f"--port={site.port}", "--headless"),
        ],
        headers=lambda site: {
            "x-portkey-provider": "openai",
            "x-portkey-custom-host": f"{site.upstream_url}/v1",
        },
    )


PEERS_KNOWN = (
    Peer("nginx", APT, _nginx),
    Peer("haproxy", APT, _haproxy),
    Peer("envoy", _MAKE, _envoy),
    Peer("caddy", APT, _caddy),
    Peer("portkey", _MAKE, _portkey),
    Peer("mitmproxy", _MAKE, _mitmproxy),
    Peer("litellm", _MAKE, _litellm),
)
"""From the cheapest to the dearest, as far as one knows before measuring."""
