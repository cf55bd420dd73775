"""Remembers calls: turns what the relay reports into calls that can be found and rated."""

import logging
from collections.abc import Callable, Mapping
from types import MappingProxyType

from proxy import helicone
from proxy.calls import answer_bodies, decoding, previews, request_bodies, token_counts
from proxy.calls.aliases import CLIENT_REQUEST_ID, Naming
from proxy.calls.attribution import Attribution, decoded, masked
from proxy.calls.hooks import Hooks
from proxy.calls.kept_bodies import KeptBodies
from proxy.calls.labels import Labels
from proxy.calls.live_call import LiveCall
from proxy.calls.paths import PathBook
from proxy.calls.previews import AnswerText, Previews
from proxy.calls.request_ids import fresh_ids
from proxy.calls.route_rules import UNREADABLE_KEY, RouteRules
from proxy.calls.taps import Tap
from proxy.events.ring import ANSWERED, ENDED, STARTED, Ring
from proxy.keys import Keyring
from proxy.model import Preview, Tokens
from proxy.relay.contract import Trace
from proxy.relay.framing import Framing
from proxy.relay.messages import AnswerHead, RequestHead
from proxy.relay.refusals import Refusal
from proxy.relay.routes import Way
from proxy.stores.contract import RecentCalls

logger = logging.getLogger(__name__)

LOOK_BYTES = 64 * 1024
"""How much of a request's body is looked at for what it says of itself."""

_NOTHING: Mapping[bytes, bytes] = MappingProxyType({})
_NOT_YET = Preview()


class CallRecorder:
    """What the relay reports to (`relay.contract.Observer`).

    `rules` are those of each way up, by its name. `on_end` is called with every call that is over, `on_refused`
    with method, path and reason of every request that was not let through. `previews`: what makes them, where
    they are wanted. `body_bytes`: answers of so many bytes at most stay with their calls, to be judged.
    """

    def __init__(  # noqa: PLR0913  # what it is given is what the relay may not know
        self,
        *,
        store: RecentCalls[LiveCall],
        keys: Keyring,
        rules: Mapping[str, RouteRules],
        hooks: Hooks,
        naming: Naming,
        attribution: Attribution,
        events: Ring,
        wall_clock: Callable[[], float],
        on_end: Callable[[LiveCall], None],
        on_refused: Callable[[bytes, bytes, Refusal], None],
        previews: Previews | None = None,
        body_bytes: int = 0,
    ) -> None:
        self._store = store
        self._keys = keys
        self._ways = {name: (each, PathBook()) for name, each in rules.items()}
        self._hooks = hooks
        self._naming = naming
        self._attribution = attribution
        self._events = events
        self._labels = Labels(
            (CLIENT_REQUEST_ID, naming.message_id_header, *attribution.headers), helicone.PROPERTY_PREFIX
        )
        self._client = ""
        self._wall_clock = wall_clock
        self._on_end = on_end
        self._on_refused = on_refused
        self._previews = previews
        self._bodies = KeptBodies(body_bytes)
        self._ids = fresh_ids()

    def begin(self, head: RequestHead, way: Way, client: str, now: float) -> LiveCall:
        """A call is about to be sent up: settle its id, its key, and what is looked at."""
        fields = head.fields
        rules, book = self._ways[way.name]
        facts = book.look_up(head.path, way)
        call = LiveCall(head.method, facts.shown, now)
        call.started_at = self._wall_clock()
        call.makes_content = facts.makes_content
        # What a call sets costs it time and room: what the class says already is left to it.
        if rules.route != "default":
            call.route = rules.route
        if facts.passed_raw and rules.passes_raw:
            call.passed_raw = True
        said = self._labels.read(fields)
        if said is not None:
            call.aliases = self._naming.of_request(said)
            self._attribution.note_head(call, said, rules)
        elif rules.user is not None or rules.session is not None or rules.properties:
            self._attribution.note_head(call, _NOTHING, rules)
        self._settle_id(call, fields.get(helicone.REQUEST_ID), rules)
        self._settle_key(call, head, rules)
        if rules.added or rules.instead:
            _settle_lines(call, fields, rules)
        _begin_look(call, head, self._previews)
        if client != self._client:
            self._client = client
        # Each connection has a text of its own that says the same.
        call.client = self._client
        if head.caller:
            call.caller = head.caller
        agent = fields.get(b"user-agent")
        if agent is not None:
            call.user_agent = self._attribution.value(agent) or masked(decoded(agent))
        self._events.put(STARTED, call)
        return call

    def _settle_id(self, call: LiveCall, sent_id: bytes | None, rules: RouteRules) -> None:
        """Under which id Helicone has the call: the app's own where it takes it, else ours."""
        if sent_id is None:
            fresh = next(self._ids)
            call.request_id = fresh.decode()
            call.upstream_lines = helicone.request_id_line(fresh)
            if rules.ignores_ids:
                call.id_is_known = False
            return
        text = sent_id.decode("latin-1")
        own = helicone.valid_request_id(text)
        if own is None or rules.ignores_ids:
            # Its answer may say which it is. The app still knows the call by the one that it sent.
            call.request_id = next(self._ids).decode()
            call.id_is_known = False
            call.aliases = self._naming.plus(call.aliases, own or text)
        else:
            call.request_id = own

    def _settle_key(self, call: LiveCall, head: RequestHead, rules: RouteRules) -> None:
        """Under whose key the call goes, and so will its rating: the app's own, else ours where it may go."""
        key = helicone.caller_key(head.fields, head.path)
        if key is not None:
            call.key_fingerprint = self._keys.remember(key, rules.api_url)
        elif helicone.AUTH not in head.fields and not call.passed_raw:
            line = rules.key_line
            if line is None:
                call.keyless = rules.why_keyless
                return
            sent = head.fields.get(rules.key_name)
            if sent is not None:
                like = helicone.key_like(sent)
                if like is not None:
                    # A gateway of one's own may know keys of a shape of its own.
                    call.key_fingerprint = self._keys.remember(like, rules.api_url)
                    return
                # What stands there is no key of Helicone's: SDKs insist on some key, and apps make one up.
                call.withheld = frozenset({rules.key_name})
            call.upstream_lines += line
            call.key_fingerprint = self._keys.own_fingerprint_at(rules.api_url)
        elif not call.passed_raw:
            call.keyless = UNREADABLE_KEY

    def looked(self, trace: Trace, body: bytes, *, complete: bool) -> None:
        """A request's body, or its beginning: take what it says of the model, and of whom it is for."""
        assert isinstance(trace, LiveCall)  # noqa: S101  # the relay gives back what `begin` gave
        try:
            self._attribution.note_body(trace, body, complete, self._store.named)
            if self._previews is not None:
                answered = None if trace.preview is None else trace.preview.answer
                trace.preview = Preview(self._previews.prompt(body, complete=complete), answered)
        except Exception as error:  # noqa: BLE001  # whatever a body holds, the call goes on; only what it says is lost
            trace.body_unread = True
            _say_unread("request", error)

    def answered(self, trace: Trace, head: RequestHead, answer: AnswerHead) -> bytes:
        """The head of the answer is there: from now on the call can be found and rated."""
        assert isinstance(trace, LiveCall)  # noqa: S101  # the relay gives back what `begin` gave
        began_as = trace.request_id
        request_id_bytes = began_as.encode()
        told = answer.fields.get(helicone.ANSWER_ID, request_id_bytes)
        if told != request_id_bytes:
            request_id = helicone.valid_request_id(told.decode("latin-1"))
            if request_id is not None:
                if (
                    helicone.REQUEST_ID in head.fields
                    and trace.id_is_known
                    and request_id != trace.request_id
                ):
                    # Some gateways have ids of their own. The app still knows the call by the one that it sent.
                    trace.aliases = self._naming.plus(trace.aliases, trace.request_id)
                trace.request_id = request_id
                trace.id_is_known = True
                request_id_bytes = request_id.encode()
        elif not trace.id_is_known and helicone.ANSWER_ID in answer.fields:
            trace.id_is_known = True
        is_made = head.method == b"POST" and 200 <= answer.status < 300
        trace.counts_as_last = is_made and trace.makes_content
        fields = answer.fields
        if b"x-request-id" in fields or b"request-id" in fields:
            trace.aliases = self._naming.of_answer(fields, trace.aliases)
        label = fields.get(b"content-type", b"")
        if label.startswith(b"text/event-stream"):
            trace.streamed = True
        if is_made and (trace.streamed or label.lower().find(b"json") >= 0):
            _begin_tap(trace, fields)
            if self._bodies.most_bytes and trace.counts_as_last and trace.tail is not None:
                self._bodies.begin(trace)
        self._remember(trace)
        self._events.put(ANSWERED, trace, "" if trace.request_id == began_as else began_as)
        return self._hooks.lines(head.fields[b"host"], request_id_bytes)

    def passed(self, trace: Trace, piece: bytes, *, complete: bool) -> None:
        """A piece of the answer's body has gone down: look in it for the body's own id, until that is found."""
        assert isinstance(trace, LiveCall)  # noqa: S101
        try:
            self._look_into(trace, piece, complete=complete)
        except Exception as error:  # noqa: BLE001  # whatever a decoder does, the call goes on; only a name is lost
            trace.tapped = False
            trace.tap = trace.tail = None
            _say_unread("answer", error)

    def _look_into(self, trace: LiveCall, piece: bytes, *, complete: bool) -> None:
        tap = trace.tap
        if tap is None:
            if not piece and not complete:
                return
            if trace.model is not None and not trace.coding and self._previews is None:
                body_id = answer_bodies.id_that_comes_first(piece, streamed=trace.streamed)
                if body_id is not None:
                    trace.tapped = False
                    # What is found so can stand in a URL, and looks like no key.
                    if body_id not in self._naming.reserved and body_id != trace.request_id:
                        self._remember(trace, body_id)
                    return
            trace.tap = tap = Tap(
                streamed=trace.streamed,
                coding=trace.coding,
                wants_model=trace.model is None,
                text=None if self._previews is None else AnswerText(),
            )
        named = tap.id
        is_done = tap.feed(piece, complete=complete)
        if named is None and tap.id is not None:
            self._name(trace, tap.id)
        if is_done:
            trace.tapped = False
            trace.tap = None
            self._note_found(trace, tap)

    def _note_found(self, call: LiveCall, tap: Tap) -> None:
        """Take what a tap has found, but for the id."""
        if call.model is None:
            call.model = tap.model
            call.model_asked = False
        if tap.given_tokens is not None:
            call.tokens = Tokens(tap.given_tokens, None)
        if self._previews is not None and tap.text is not None:
            asked = None if call.preview is None else call.preview.prompt
            call.preview = Preview(asked, self._previews.answer(tap.text))

    def _name(self, call: LiveCall, alias: str) -> None:
        if alias != call.request_id and self._naming.usable(alias):
            self._remember(call, alias)

    def ended(self, trace: Trace) -> None:
        """The call is over."""
        assert isinstance(trace, LiveCall)  # noqa: S101
        if not trace.remembered:
            self._remember(trace)
        if trace.tapped:
            # It was cut, or its reader left: what has come of it is all there is.
            self.passed(trace, b"", complete=True)
        tail = b""
        if trace.tail is not None:
            tail = trace.end_of_body()
            _note_tokens(trace, tail)
        self._bodies.end(trace, tail)
        self._events.put(ENDED, trace)
        self._on_end(trace)

    def refused(self, head: RequestHead, refusal: Refusal) -> None:
        """A request was not let through."""
        self._on_refused(head.method, head.path, refusal)

    def _remember(self, call: LiveCall, alias: str | None = None) -> None:
        """Have a call remembered; or that it goes by an alias, too."""
        call.remembered = True
        try:
            if alias is None:
                self._store.remember(call)
            else:
                self._store.add_alias(call, alias)
        except Exception as error:  # noqa: BLE001  # whatever a store does, the call goes on; only its memory is lost
            logger.warning("A call could not be remembered (%s); it goes on.", type(error).__name__)


def _begin_look(call: LiveCall, head: RequestHead, wanted: Previews | None) -> None:
    """Have the request's body shown, if it can be read: more of it where previews are wanted."""
    if head.method == b"POST" and head.framing is not Framing.NONE:
        if request_bodies.is_plain_json(head.fields):
            call.look_bytes = LOOK_BYTES if wanted is None else previews.LOOK_BYTES
        else:
            call.body_unread = True
    if wanted is not None:
        call.preview = _NOT_YET


def _say_unread(what: str, error: Exception) -> None:
    logger.warning(
        "The body of a call's %s could not be looked at (%s); it goes on.", what, type(error).__name__
    )


def _begin_tap(call: LiveCall, fields: Mapping[bytes, bytes]) -> None:
    """Have the answer's body shown, and its end kept, if it can be read."""
    if call.streamed:
        call.tail_bytes = call.tail_full = token_counts.STREAM_TAIL_BYTES
    if b"content-encoding" in fields:
        coding = fields[b"content-encoding"].lower()
        if coding != b"identity":
            if not decoding.is_known(coding):
                return
            call.coding = coding
            call.tail_bytes = call.tail_full = token_counts.MOST_COMPRESSED_BYTES
    call.tail = []
    # What makes no content has no id that anybody would rate by.
    call.tapped = call.counts_as_last


def _note_tokens(call: LiveCall, tail: bytes) -> None:
    """Take what the end of the answer says of tokens."""
    started = call.tokens
    try:
        said = token_counts.tokens_in(
            tail, is_whole=len(tail) == call.bytes_down, streamed=call.streamed, coding=call.coding
        )
    except Exception as error:  # noqa: BLE001  # whatever a decoder does, the call goes on; only a count is lost
        _say_unread("answer", error)
        return
    call.tokens = said if started is None else token_counts.joined(started.input, said)


def _settle_lines(call: LiveCall, fields: Mapping[bytes, bytes], rules: RouteRules) -> None:
    """The header lines that the route adds, and those that stand in place of the app's."""
    for name, line in rules.added:
        if name not in fields:
            call.upstream_lines += line
    for name, line in rules.instead:
        call.upstream_lines += line
        call.withheld |= {name}
