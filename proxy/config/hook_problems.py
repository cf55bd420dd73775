"""What is wrong with hooks and webhooks beside the other settings, and what is worth saying of them."""

from collections.abc import Iterator, Mapping

from proxy.config.hooking import Hooks
from proxy.config.settings import Settings


def hook_problems(settings: Settings, names: Mapping[str, str], lost: set[str]) -> Iterator[str]:
    """Say what cannot be. `names` and `lost` are as for `route_problems`."""
    hooks = settings.hooks
    if not hooks.token and "hooks.token" not in lost:
        # A secret's name is that of its file where it came from one.
        given = ["hooks.secret"] if hooks.secret is not None else []
        if hooks.token_seconds != Hooks().token_seconds:
            given.append("hooks.token_seconds")
        for key in given:
            yield f"{names[key]}: has no effect without hooks.token = true"
    elsewhere = _other_secrets(settings)
    for key, secret in (
        ("hooks.secret", hooks.secret),
        ("webhooks.open_webui_secret", settings.webhooks.open_webui_secret),
    ):
        if secret is not None and secret.text in elsewhere:
            yield f"{names[key]}: is that of {elsewhere[secret.text]}, too; make a new one"
        if secret is not None:
            elsewhere[secret.text] = key


def _other_secrets(settings: Settings) -> dict[str, str]:
    """Every other secret, and which setting has it."""
    tokens = settings.guard.named_tokens
    found = {token: "guard.tokens" if name else "guard.token" for name, token in tokens.items()}
    if settings.helicone.own_key is not None:
        found[settings.helicone.own_key] = "helicone.api_key"
    for name, route in settings.routes.items():
        if route.provider_key is not None:
            found[route.provider_key.text] = f"routes.{name}.provider_key"
    return found


def hook_advice(settings: Settings) -> Iterator[str]:
    """What is worth saying of settings that can be used: most likely something else was meant."""
    guard = settings.guard
    if settings.hooks.token and guard.allowed_origins and not guard.named_tokens:
        yield (
            f"Pages of {', '.join(guard.allowed_origins)} need a Feedback-Token for /feedback, and nothing for "
            "calls: whoever opens them may make calls, with the keys that this sidecar adds. Set guard.token "
            "unless that is meant."
        )
    if settings.webhooks.open_webui_secret is not None and not settings.feedback.message_id_header:
        yield (
            "webhooks.open_webui_secret has no effect without feedback.message_id_header: no call is known by its "
            "message's id."
        )
