"""Who may do what, and under which keys, as the settings have it: built here for `assembly.py`."""

from collections.abc import Sequence

from proxy import helicone
from proxy.config.guarding import GuardSettings
from proxy.config.outbox_place import state_folder
from proxy.config.settings import Settings
from proxy.feedback_tokens import FeedbackTokens
from proxy.guard.decisions import Guard
from proxy.guard.tokens import Tokens
from proxy.keys import Keyring
from proxy.redaction import Redaction
from proxy.routing import ResolvedRoute
from proxy.signing_secret import signing_secret


def keyring(settings: Settings, routes: Sequence[ResolvedRoute], redaction: Redaction) -> Keyring:
    """Our own key, and place for those of apps; whichever comes, no log shows it from then on."""
    vendor = settings.helicone
    keys = Keyring(
        vendor.own_key,
        helicone.fingerprint,
        helicone.api_url_for,
        {route.api_url for route in routes if route.api_may_have_key},
        default_url=vendor.api_url,
    )
    keys.on_key = redaction.learn
    return keys


def guard(settings: GuardSettings, bound_addresses: Sequence[str], salt: bytes) -> Guard:
    """Who may speak to us. `salt`: of chance, for this process alone."""
    named = settings.named_tokens
    return Guard(
        bound_addresses=bound_addresses,
        allowed_hosts=settings.allowed_hosts,
        allowed_origins=settings.allowed_origins,
        tokens=Tokens(named, salt) if named else None,
    )


def pages_guard(settings: Settings) -> Guard:
    """Who may use what is ours before a chat app: its page. It has no token; the app has a login of its own."""
    return Guard(
        bound_addresses=settings.inject.host,
        allowed_hosts=settings.guard.allowed_hosts,
        allowed_origins=settings.guard.allowed_origins,
    )


def feedback_tokens(settings: Settings, redaction: Redaction, fresh: str) -> FeedbackTokens | None:
    """What makes and checks tokens, if there are to be any; `fresh` is signed with if nothing was before.

    Raises CannotStart.
    """
    hooks = settings.hooks
    if not hooks.token:
        return None
    if hooks.secret is not None:
        return FeedbackTokens(hooks.secret.text, hooks.token_seconds)
    secret = signing_secret(state_folder(settings.outbox), fresh)
    redaction.keep(secret)
    return FeedbackTokens(secret, hooks.token_seconds)
