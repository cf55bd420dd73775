"""Every gateway that Helicone has, by name: where it is, and what is special about it. Data, and nothing else.

Facts come from Helicone's public source; `source` names the file. Where it says nothing else, the provider's key
stands in `Authorization` (or wherever that provider has it), and Helicone's own in `Helicone-Auth`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from types import MappingProxyType
from typing import Final

from proxy import helicone

_WORKER: Final = "worker/wrangler.toml, worker/src/clients/ProviderClient.ts"
_JAWN: Final = (
    "docs/getting-started/self-host/docker.mdx, valhalla/jawn/src/controllers/public/proxyController.ts"
)


class Realtime(Enum):
    """Which host takes WebSocket handshakes: no gateway does, only Helicone's API server."""

    NOWHERE = None
    API = "/v1/gateway/oai/realtime"
    """That path of the API (valhalla/jawn/src/index.ts); no `/v1` stands before `realtime` there."""
    BESIDE = "/realtime"
    """The gateway is part of the API server, and this lies below its own path."""


@dataclass(frozen=True, slots=True)
class Preset:
    """What is known of a gateway.

    `key_name`: the header in which Helicone's key goes there. `passes_raw`: whether it hands audio and files on
    unread. `post_only`: it takes nothing else. `identity`: an encoded answer would come out broken. `api_is_here`:
    Helicone's API has the same origin. `needs`: a header without which it answers no call. `for_europe`: it is for
    European keys. `ignores_ids`: it gives calls ids of its own, whatever is sent along.
    `provider_key_name`: the header for the provider's key; None where there is none, or where it is no key alone.
    """

    url: str
    source: str = _WORKER
    key_name: bytes = helicone.AUTH
    passes_raw: bool = False
    realtime: Realtime = Realtime.NOWHERE
    post_only: bool = False
    identity: bool = False
    api_is_here: bool = False
    needs: str | None = None
    for_europe: bool = False
    ignores_ids: bool = False
    provider_key_name: bytes | None = helicone.AUTHORIZATION


def _at(name: str) -> Preset:
    """One of the many that differ in their name alone."""
    return Preset(f"https://{name}.helicone.ai")


USUAL: Final = "openai"
"""The preset of the default route."""

PRESETS: Final[Mapping[str, Preset]] = MappingProxyType(
    {
        "openai": Preset(
            helicone.DEFAULT_GATEWAY_URL,
            "worker/src/routers/openaiProxyRouter.ts",
            passes_raw=True,
            realtime=Realtime.API,
        ),
        "ai-gateway": Preset(
            "https://ai-gateway.helicone.ai",
            "worker/src/routers/aiGatewayRouter.ts",
            key_name=helicone.AUTHORIZATION,
            provider_key_name=None,
        ),
        "anthropic": Preset(
            "https://anthropic.helicone.ai",
            "worker/src/routers/anthropicProxyRouter.ts",
            passes_raw=True,
            provider_key_name=b"x-api-key",
        ),
        "gateway": Preset(
            "https://gateway.helicone.ai",
            "worker/src/routers/gatewayRouter.ts",
            needs="Helicone-Target-URL",
        ),
        "groq": _at("groq"),
        "together": _at("together"),
        "openrouter": _at("openrouter"),
        "deepinfra": _at("deepinfra"),
        "fireworks": _at("fireworks"),
        "perplexity": _at("perplexity"),
        "mistral": _at("mistral"),
        "deepseek": _at("deepseek"),
        "x": _at("x"),
        "cerebras": _at("cerebras"),
        "nvidia": _at("nvidia"),
        "llama": _at("llama"),
        "google": Preset("https://google.helicone.ai", provider_key_name=b"x-goog-api-key"),
        "nebius": _at("nebius"),
        "novita": _at("novita"),
        "hyperbolic": _at("hyperbolic"),
        "predibase": _at("predibase"),
        "vercel": _at("vercel"),
        "qstash": _at("qstash"),
        "firecrawl": _at("firecrawl"),
        # Its requests are signed.
        "bedrock": Preset("https://bedrock.helicone.ai", provider_key_name=None),
        "generate": _at("generate"),
        "llmmapper": _at("llmmapper"),
        "worker-api": Preset("https://api.worker.helicone.ai", provider_key_name=None),
        "azure": Preset(
            helicone.DEFAULT_GATEWAY_URL,
            "worker/src/routers/openaiProxyRouter.ts",
            passes_raw=True,
            needs="Helicone-OpenAI-Api-Base",
            provider_key_name=b"api-key",
        ),
        "eu": Preset(
            "https://oai.eu.hconeai.com",
            "worker/wrangler.toml, docs/snippets/eu-api-warning.mdx",
            passes_raw=True,
            realtime=Realtime.API,
            for_europe=True,
        ),
        "self-hosted": Preset(
            "http://localhost:8585/v1/gateway/oai",
            _JAWN,
            realtime=Realtime.BESIDE,
            post_only=True,
            identity=True,
            api_is_here=True,
        ),
        "self-hosted-anthropic": Preset(
            "http://localhost:8585/v1/gateway/anthropic",
            _JAWN,
            provider_key_name=b"x-api-key",
            post_only=True,
            identity=True,
            api_is_here=True,
        ),
        "rust-ai-gateway": Preset(
            "http://localhost:8080/ai",
            "Helicone/ai-gateway: ai-gateway/src/dispatcher/service.rs",
            key_name=helicone.AUTHORIZATION,
            ignores_ids=True,
            provider_key_name=None,
        ),
    }
)
