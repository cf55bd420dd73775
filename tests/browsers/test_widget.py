"""The widget in a real browser, on pages of other origins, as people and apps use it."""

import json
import time
from collections.abc import Callable, Iterator
from urllib.parse import urlencode

import pytest
from aiohttp import web

from browsers.chromium import Chromium, Profile, Tab, needs_chromium
from browsers.conftest import StartRelay
from browsers.pages import MODULES, Server
from harness.apps import port_of
from harness.benches import AT_ONCE, Bench, StartBench, id_of
from harness.loops import LoopThread
from harness.wire import wait_until
from proxy.demo.journal import Received
from proxy.feedback_tokens import FeedbackTokens

pytestmark = [pytest.mark.system, needs_chromium]

SECRET = "0123456789abcdef0123456789abcdef"
SOON = {"delivery.first_look_seconds": 0.1}
UP, DOWN = "helicone-feedback >> button.up", "helicone-feedback >> button.down"
RECORD = """() => {
  self.told = [];
  for (const name of ["sent", "verified", "failed"])
    document.addEventListener(`feedback-${name}`, (event) => self.told.push([name, event.detail, event.composed]));
  self.violations = [];
  document.addEventListener("securitypolicyviolation", (event) => self.violations.push(event.violatedDirective));
}"""
STATUS = (
    "() => document.querySelector('helicone-feedback').shadowRoot.querySelector('[role=status]').textContent"
)


@pytest.fixture(scope="module")
def app(loop: LoopThread) -> Iterator[Server]:
    """An app whose pages are what their addresses ask for."""

    async def serve(request: web.Request) -> web.StreamResponse:
        csp = request.query.get("csp")
        html = '<!doctype html><html lang="en"><title>An app</title><link rel="icon" href="data:,">'
        return web.Response(
            text=f"{html}<main><h1>An app</h1><p>An answer</p>{request.query.get('html', '')}</main>",
            content_type="text/html",
            headers={} if csp is None else {"Content-Security-Policy": csp},
        )

    with Server(loop, {"/": serve}) as server:
        yield server


class Desk:
    """A sidecar, and an app beside it that embeds its widget."""

    def __init__(self, app: Server, bench: Bench, host: str) -> None:
        self.bench = bench
        self.origin = f"http://{host}:{app.port}"
        self.port = bench.sidecar.address[1]

    @property
    def base(self) -> str:
        """Where the widget finds the sidecar."""
        return f"http://localhost:{self.port}/feedback"

    def script(self, **data: str) -> str:
        """The script's tag; `data` as its attributes."""
        said = "".join(f' data-{name}="{value}"' for name, value in data.items())
        return f'<script src="{self.base}/widget.js"{said}></script>'

    def open(self, profile: Profile, html: str, **more: str) -> Tab:
        """A tab with that in its page."""
        tab = profile.open(f"{self.origin}/?{urlencode({'html': html, **more})}")
        tab.run(RECORD)
        return tab

    def chat(self, **headers: str) -> str:
        """An answer comes; gives its id."""
        return id_of(self.bench.chat(*(f"{name}: {value}".encode() for name, value in headers.items())))

    def ratings(self, call: str) -> list[bool]:
        """What Helicone was told of a call."""
        return [json.loads(each.body)["rating"] for each in self.bench.posted if is_thumb(each, call)]

    def stored(self, call: str) -> bool | None:
        """What Helicone has."""
        return self.bench.standin.ledger.rating_of(call)


def is_thumb(received: Received, call: str) -> bool:
    """Whether that is a rating of the call."""
    return call in received.target and b'"rating"' in received.body


StartDesk = Callable[..., Desk]


@pytest.fixture
def start_desk(app: Server, start_bench: StartBench) -> StartDesk:
    """Start a sidecar that lets the app's pages in."""

    def start(host: str = "app.test", **dotted: object) -> Desk:
        origin = f"http://{host}:{app.port}"
        return Desk(app, start_bench(AT_ONCE, **SOON, **{"guard.allowed_origins": [origin], **dotted}), host)

    return start


@pytest.fixture
def desk(start_desk: StartDesk) -> Desk:
    """A sidecar that lets the app's pages in."""
    return start_desk()


def click(tab: Tab, selector: str) -> None:
    """Press the mouse's button there."""
    tab.use(lambda page: page.click(selector))


def press(tab: Tab, *keys: str) -> None:
    """Press keys, one after the other."""
    for key in keys:
        tab.use(lambda page, key=key: page.keyboard.press(key))  # type: ignore[misc]


def wait_for_told(tab: Tab, name: str) -> dict[str, object]:
    """Wait for the event, and give its detail."""
    tab.use(lambda page: page.wait_for_function(f"() => self.told.some(([name]) => name === '{name}')"))
    found: dict[str, object] = next(detail for each, detail, _ in told(tab) if each == name)
    return found


def told(tab: Tab) -> list[tuple[str, dict[str, object], bool]]:
    """All events that came to the document."""
    found: list[tuple[str, dict[str, object], bool]] = tab.run("() => self.told")
    return found


def wait_for_words(tab: Tab, words: str) -> None:
    """Wait until the widget says so."""
    wait_until(lambda: words in tab.run(STATUS), f"the widget says {words!r}: {tab.run(STATUS)!r}")


def pressed(tab: Tab) -> list[str]:
    """Which of the thumbs, up and down, are pressed."""
    found: list[str] = tab.use(
        lambda page: page.eval_on_selector_all(
            "helicone-feedback >> button[aria-pressed]", "(all) => all.map((each) => each.ariaPressed)"
        )
    )
    return found


def test_a_page_of_another_origin_rates_and_shows_that_it_is_stored(profile: Profile, desk: Desk) -> None:
    call = desk.chat()
    tab = desk.open(profile, desk.script(**{"for": call, "hold": "0s"}))
    assert pressed(tab) == ["false", "false"]
    click(tab, UP)
    assert pressed(tab) == ["true", "false"]
    sent, verified = wait_for_told(tab, "sent"), wait_for_told(tab, "verified")
    assert (sent["call"], sent["rating"], verified["state"]) == (call, True, "verified")
    assert "Helicone has stored it." in str(verified["message"])
    assert tab.run(STATUS) == "Stored."
    assert all(composed for _, _, composed in told(tab))
    assert (desk.stored(call), desk.ratings(call)) == (True, [True])


def test_it_can_be_changed_and_undone_and_a_comment_goes_with_a_thumb_down(
    profile: Profile, desk: Desk
) -> None:
    call = desk.chat()
    tab = desk.open(profile, desk.script(**{"for": call, "hold": "30s"}))
    field = "helicone-feedback >> input"
    assert not tab.use(lambda page: page.is_visible(field))
    click(tab, UP)
    click(tab, DOWN)
    assert pressed(tab) == ["false", "true"]
    tab.use(lambda page: page.fill(field, "The figures are wrong"))
    click(tab, "helicone-feedback >> form button")
    assert not tab.use(lambda page: page.is_visible(field))
    wait_until(lambda: b"figures" in desk.bench.get(f"/feedback/{call}").body, "the comment is there")
    click(tab, DOWN)
    wait_for_words(tab, "Taken back.")
    click(tab, DOWN)
    assert pressed(tab) == ["false", "true"]
    click(tab, DOWN)
    assert pressed(tab) == ["false", "false"]


def test_the_sidecars_own_sentence_is_shown_where_a_rating_cannot_be(profile: Profile, desk: Desk) -> None:
    tab = desk.open(profile, desk.script(**{"for": "chatcmpl-unheard-of"}))
    click(tab, UP)
    failed = wait_for_told(tab, "failed")
    assert "No call goes by that id here" in str(failed["message"])
    assert tab.run(STATUS) == failed["message"]
    assert (failed["state"], failed["rating"], pressed(tab)) == ("failed", None, ["false", "false"])
    assert tab.run("() => localStorage.length") == 0


def test_what_has_left_cannot_be_undone_and_the_thumb_stays(profile: Profile, desk: Desk) -> None:
    call = desk.chat()
    tab = desk.open(profile, desk.script(**{"for": call, "hold": "0s"}))
    click(tab, UP)
    wait_for_told(tab, "verified")
    click(tab, UP)
    assert "cannot remove a rating" in str(wait_for_told(tab, "failed")["message"])
    assert (pressed(tab), desk.stored(call)) == (["true", "false"], True)


def test_the_keyboard_alone_does_everything(profile: Profile, desk: Desk) -> None:
    call = desk.chat()
    tab = desk.open(profile, desk.script(**{"for": call, "hold": "30s"}))
    press(tab, "Tab", "Space")
    assert pressed(tab) == ["true", "false"]
    press(tab, "Tab", "Enter")
    assert pressed(tab) == ["false", "true"]
    press(tab, "Tab")
    tab.use(lambda page: page.keyboard.type("Too long"))
    press(tab, "Enter")
    wait_until(lambda: b"Too long" in desk.bench.get(f"/feedback/{call}").body, "the comment is there")
    # The focus is where it was, on the thumb: the field has gone.
    press(tab, "Space")
    wait_for_words(tab, "Taken back.")
    press(tab, "Space", "Tab", "Escape", "Shift+Tab", "Space")
    assert pressed(tab) == ["true", "false"]


def test_offline_it_is_kept_and_online_sent_once(profile: Profile, desk: Desk) -> None:
    call = desk.chat()
    tab = desk.open(profile, desk.script(**{"for": call, "hold": "0s"}))
    profile.set_offline(True)
    click(tab, UP)
    assert wait_for_told(tab, "failed")["state"] == "kept"
    wait_for_words(tab, "kept")
    assert pressed(tab) == ["true", "false"]
    click(tab, DOWN)
    assert desk.ratings(call) == []
    profile.set_offline(False)
    wait_for_told(tab, "verified")
    assert (desk.stored(call), desk.ratings(call)) == (False, [False])
    assert tab.run("() => localStorage.length") == 0


def test_a_page_that_is_opened_later_sends_what_was_kept(profile: Profile, desk: Desk) -> None:
    call = desk.chat()
    tab = desk.open(profile, desk.script(**{"for": call, "hold": "0s"}))
    profile.set_offline(True)
    click(tab, UP)
    wait_for_told(tab, "failed")
    tab.use(lambda page: page.close())
    profile.set_offline(False)
    desk.open(profile, desk.script())
    wait_until(lambda: desk.stored(call) is True, "it has arrived")


@pytest.mark.parametrize("host", ["localhost", "app.test"])
def test_two_tabs_send_it_once(
    profile: Profile, start_desk: StartDesk, start_relay: StartRelay, host: str
) -> None:
    desk = start_desk(host)
    call = desk.chat()
    relay = start_relay(desk.bench.sidecar.address)
    desk.port = relay.port
    tabs = [desk.open(profile, desk.script(**{"for": call, "hold": "0s"})) for _ in range(2)]
    profile.set_offline(True)
    click(tabs[0], UP)
    wait_for_told(tabs[0], "failed")
    profile.set_offline(False)
    wait_until(lambda: desk.stored(call) is True, "it has arrived")
    wait_until(lambda: not tabs[1].run("() => localStorage.length"), "nothing is left to be sent")
    assert desk.ratings(call) == [True]
    if host == "localhost":
        # A context that browsers trust has locks: the other tab does not even ask.
        asked = [each for each in relay.exchanges if each.method == "POST" and "wait=queued" in each.path]
        assert len([each for each in asked if each.answer is not None]) == 1


def tokened(desk: Desk) -> tuple[str, str]:
    """An answer comes; gives its id and its Feedback-Token."""
    answer = desk.bench.chat()
    token = answer.value(b"feedback-token")
    assert token is not None
    return id_of(answer), token.decode()


WITH_TOKENS = {"hooks.token": True, "hooks.secret": SECRET}


@pytest.mark.parametrize(
    "more", [{}, {"guard.token": "0123456789abcdef"}], ids=["alone", "beside a guard's token"]
)
def test_with_its_token_it_rates_its_call(
    profile: Profile, start_desk: StartDesk, more: dict[str, object]
) -> None:
    desk = start_desk(**WITH_TOKENS, **more)
    said = [b"Feedback-Proxy-Token: 0123456789abcdef"] if more else []
    answer = desk.bench.chat(*said)
    call, token = id_of(answer), (answer.value(b"feedback-token") or b"").decode()
    tab = desk.open(profile, desk.script(**{"for": call, "hold": "0s", "token": token}))
    click(tab, UP)
    wait_for_told(tab, "verified")
    assert (desk.stored(call), tab.run(STATUS)) == (True, "Stored.")
    click(tab, DOWN)
    wait_until(lambda: desk.stored(call) is False, "it has been changed")


@pytest.mark.parametrize(
    ("what", "words"),
    [
        ("none", "rates with the Feedback-Token"),
        ("another's", "is for another call"),
        ("expired", "has expired"),
        ("changed", "has been changed"),
        ("the expiry changed", "has been changed"),
    ],
)
def test_without_its_own_good_token_it_rates_nothing(
    profile: Profile, start_desk: StartDesk, what: str, words: str
) -> None:
    desk = start_desk(**WITH_TOKENS)
    (call, token), (_, anothers) = tokened(desk), tokened(desk)
    version, expiry, rest = token.split(".", 2)
    tokens = {
        "none": {},
        "another's": {"token": anothers},
        "expired": {"token": FeedbackTokens(SECRET, -1).make(call.encode(), time.time()).decode()},
        "changed": {"token": token[:-2] + ("A" if token[-2] != "A" else "B") + token[-1]},
        "the expiry changed": {"token": f"{version}.{int(expiry) + 9999}.{rest}"},
    }
    tab = desk.open(profile, desk.script(**{"for": call, "hold": "0s", **tokens[what]}))
    click(tab, UP)
    failed = wait_for_told(tab, "failed")
    assert failed["state"] == "failed"
    assert words in str(failed["message"])
    assert (pressed(tab), desk.bench.posted) == (["false", "false"], [])


def test_a_token_is_kept_beside_a_rating_and_goes_with_it(profile: Profile, start_desk: StartDesk) -> None:
    desk = start_desk(**WITH_TOKENS)
    call, token = tokened(desk)
    tab = desk.open(profile, desk.script(**{"for": call, "hold": "0s", "token": token}))
    profile.set_offline(True)
    click(tab, UP)
    wait_for_told(tab, "failed")
    (kept,) = tab.run("() => Object.values(localStorage).map(JSON.parse)")
    assert (kept["token"], kept["until"]) == (token, int(token.split(".")[1]) * 1000)
    tab.use(lambda page: page.close())
    profile.set_offline(False)
    later = desk.open(profile, desk.script())
    wait_until(lambda: desk.stored(call) is True, "it has arrived")
    wait_until(lambda: later.run("() => localStorage.length") == 0, "nothing is left")


def test_what_is_no_feedback_token_is_never_written_down(profile: Profile, desk: Desk) -> None:
    html = desk.script(**{"for": desk.chat(), "token": "a-token-that-opens-everything"})
    tab = desk.open(profile, html)
    profile.set_offline(True)
    click(tab, UP)
    wait_for_told(tab, "failed")
    assert tab.run("() => localStorage.length") == 0
    profile.set_offline(False)
    wait_for_words(tab, "makes no Feedback-Tokens")


def test_what_was_kept_too_long_is_let_go(profile: Profile, desk: Desk) -> None:
    call = desk.chat()
    tab = desk.open(profile, desk.script(**{"for": call, "hold": "0s"}))
    profile.set_offline(True)
    click(tab, UP)
    wait_for_told(tab, "failed")
    tab.run("""() => {
      const [place] = Object.keys(localStorage);
      localStorage[place] = JSON.stringify({ ...JSON.parse(localStorage[place]), until: Date.now() - 1 });
    }""")
    profile.set_offline(False)
    wait_for_words(tab, "could not be sent in time")
    assert (pressed(tab), tab.run("() => localStorage.length")) == (["false", "false"], 0)
    assert desk.bench.posted == []


def test_the_custom_element_takes_attributes_and_fires_events(profile: Profile, desk: Desk) -> None:
    first, second = desk.chat(), desk.chat()
    tab = desk.open(
        profile, f'{desk.script()}<helicone-feedback call="{first}" hold="0s"></helicone-feedback>'
    )
    click(tab, DOWN)
    assert wait_for_told(tab, "verified")["call"] == first
    tab.run(
        "(id) => { document.querySelector('helicone-feedback').setAttribute('call', id); self.told = [] }",
        second,
    )
    assert (pressed(tab), tab.run(STATUS)) == (["false", "false"], "")
    tab.run("() => document.querySelector('helicone-feedback').setAttribute('rating', 'up')")
    assert pressed(tab) == ["true", "false"]
    click(tab, DOWN)
    assert wait_for_told(tab, "verified")["call"] == second
    assert (desk.stored(first), desk.stored(second)) == (False, False)
    names = {name for name, _, _ in told(tab)}
    assert names == {"sent", "verified"}


def test_loaded_many_times_it_is_defined_once_and_each_script_has_its_thumbs(
    profile: Profile, desk: Desk
) -> None:
    first, second = desk.chat(), desk.chat()
    bar = desk.script(mode="last", session="nobody")
    tags = [desk.script(**{"for": first}), desk.script(**{"for": second}), bar, bar]
    tab = desk.open(profile, "".join(tags))
    assert tab.run("() => document.querySelectorAll('helicone-feedback').length") == 3
    assert tab.run(
        "() => [...document.querySelectorAll('[call]')].map((each) => each.getAttribute('call'))"
    ) == [
        first,
        second,
    ]


def test_the_bar_rates_the_answer_that_was_shown_even_if_a_newer_one_came(
    profile: Profile, desk: Desk
) -> None:
    shown = desk.chat(**{"Helicone-Session-Id": "mine"})
    desk.chat(**{"Helicone-Session-Id": "another"})
    tab = desk.open(profile, desk.script(mode="last", session="mine", hold="0s"))
    bar = "() => document.querySelector('helicone-feedback').getAttribute('call')"
    wait_until(lambda: tab.run(bar) == shown, "the bar shows the answer")
    tab.use(lambda page: page.hover(UP))
    newer = desk.chat(**{"Helicone-Session-Id": "mine"})
    tab.run("() => dispatchEvent(new Event('focus'))")
    tab.use(lambda page: page.wait_for_selector("text=A newer answer has come"))
    click(tab, UP)
    wait_for_told(tab, "verified")
    assert (desk.stored(shown), desk.stored(newer)) == (True, None)
    tab.use(lambda page: page.mouse.move(1, 1))
    wait_until(lambda: tab.run(bar) == shown, "it stays while the focus is there")
    tab.run("() => document.querySelector('helicone-feedback').shadowRoot.activeElement.blur()")
    wait_until(lambda: tab.run(bar) == newer, "the bar goes on to the newer one")
    assert pressed(tab) == ["false", "false"]


NO_STREAM = """<script>EventSource = class extends EventTarget {
  static CLOSED = 2;
  readyState = 2;
  constructor() { super(); setTimeout(() => this.onerror()); }
  close() {}
}</script>"""


def test_the_bar_comes_by_itself_when_an_answer_changes_the_page(profile: Profile, desk: Desk) -> None:
    tab = desk.open(profile, NO_STREAM + desk.script(mode="last", user="ann"))
    assert not tab.use(lambda page: page.is_visible("helicone-feedback"))
    desk.chat(**{"Helicone-User-Id": "ann"})
    # Until the first look has found nothing and the stream has been refused, there is nobody to notice.
    wait_until(
        lambda: _said_something(tab) and tab.use(lambda page: page.is_visible("helicone-feedback")),
        "it comes",
    )


def _said_something(tab: Tab) -> bool:
    tab.run("() => document.querySelector('main').append('A word. ')")
    return True


def test_an_app_that_is_opened_through_the_sidecar_gets_the_bar_and_no_complaint_in_its_console(
    profile: Profile, app: Server, start_bench: StartBench
) -> None:
    at = {"inject.upstream": f"http://127.0.0.1:{app.port}", "inject.port": 0, "inject.host": ["127.0.0.1"]}
    bench = start_bench(**at)
    tab = profile.open(f"http://localhost:{port_of(bench.sidecar)}/")
    tab.wait("() => document.querySelector('helicone-feedback')")
    # The bar has asked before, and there was nothing.
    assert tab.run("async () => (await fetch('/_helicone-feedback/last')).status") == 204
    bench.chat()
    wait_until(
        lambda: _said_something(tab) and tab.use(lambda page: page.is_visible("helicone-feedback")),
        "it comes",
    )
    assert tab.complaints == []


def test_the_bar_follows_the_stream_of_events(profile: Profile, desk: Desk) -> None:
    first = desk.chat(**{"Helicone-Session-Id": "mine"})
    tab = desk.open(profile, desk.script(mode="last", session="mine"))
    bar = "() => document.querySelector('helicone-feedback').getAttribute('call')"
    wait_until(lambda: tab.run(bar) == first, "the bar shows the answer")
    desk.chat(**{"Helicone-Session-Id": "another"})
    newer = desk.chat(**{"Helicone-Session-Id": "mine"})
    # Nothing changes on the page, and it does not get the focus.
    wait_until(lambda: tab.run(bar) == newer, "the bar goes on to the newer one")


STRICT = (
    "default-src 'none'; script-src {0}; connect-src {0}; base-uri 'none'; form-action 'none'; "
    "require-trusted-types-for 'script'"
)


def test_it_works_on_a_page_with_a_strict_content_security_policy(profile: Profile, desk: Desk) -> None:
    call = desk.chat()
    csp = STRICT.format(f"http://localhost:{desk.port}")
    html = desk.script(**{"for": call, "hold": "0s"}) + desk.script(mode="last")
    tab = desk.open(profile, html, csp=csp)
    click(tab, "main >> button.up")
    wait_for_told(tab, "verified")
    # The icon of the page itself is a data: address, which such a policy forbids.
    assert set(tab.run("() => self.violations")) <= {"img-src"}
    size = tab.run(
        "() => document.querySelector('main helicone-feedback').shadowRoot.querySelector('svg').clientWidth"
    )
    assert size == 18


def test_no_picture_on_the_page_can_say_where_the_sidecar_is(profile: Profile, start_desk: StartDesk) -> None:
    desk = start_desk(**{"hooks.token": True, "hooks.secret": SECRET})
    call = desk.chat()
    token = FeedbackTokens(SECRET, 3600).make(call.encode(), time.time()).decode()
    # What people or models wrote, less its scripts, as apps show it: names of elements become the document's own.
    text = f'<img name="currentScript" src="{desk.origin}/elsewhere/" hidden>'
    element = f'<helicone-feedback call="{call}" token="{token}" hold="0s"></helicone-feedback>'
    tab = desk.open(profile, text + desk.script() + element)
    assert tab.run("() => document.querySelector('helicone-feedback').base") == desk.base


def test_a_custom_property_changes_what_is_seen(profile: Profile, desk: Desk) -> None:
    tab = desk.open(profile, desk.script(**{"for": desk.chat()}))
    colour = """() => {
      const [up] = document.querySelector('helicone-feedback').shadowRoot.querySelectorAll('button');
      return [getComputedStyle(up).color, getComputedStyle(up.firstChild).width];
    }"""
    before = tab.run(colour)
    tab.run("""() => {
      for (const [name, value] of [["color", "rgb(1, 2, 3)"], ["size", "31px"]])
        document.documentElement.style.setProperty(`--helicone-feedback-${name}`, value);
    }""")
    wait_until(lambda: tab.run(colour) == ["rgb(1, 2, 3)", "31px"], f"it is themed, and was {before}")
    tab.run("() => document.documentElement.style.setProperty('--helicone-feedback-up', 'rgb(4, 5, 6)')")
    tab.use(lambda page: page.emulate_media(reduced_motion="reduce"))
    click(tab, UP)
    assert tab.run(colour)[0] == "rgb(4, 5, 6)"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing(profile: Profile, desk: Desk, scheme: str) -> None:
    axe = MODULES / "axe-core" / "axe.min.js"
    if not axe.is_file():
        pytest.skip("axe-core is not installed (npm)")
    call = desk.chat()
    html = f'<meta name="color-scheme" content="{scheme}">'
    tab = desk.open(profile, html + desk.script(**{"for": call, "hold": "0s"}) + desk.script(mode="last"))
    tab.use(lambda page: page.emulate_media(color_scheme=scheme, reduced_motion="reduce"))  # type: ignore[arg-type]
    tab.use(lambda page: page.wait_for_selector("helicone-feedback[mode=last]:not([hidden])"))
    for selector in ("main >> button.up", "main >> button.down", "[mode=last] >> button.down"):
        click(tab, selector)
        wait_for_told(tab, "sent")
    tab.use(lambda page: page.evaluate(axe.read_text("utf-8")))
    found = tab.run(
        "async () => (await axe.run()).violations.map((each) => [each.id, each.nodes.map((n) => n.html)])"
    )
    assert found == []


def test_reduced_motion_is_respected(profile: Profile, desk: Desk) -> None:
    tab = desk.open(profile, desk.script(**{"for": desk.chat()}))
    moving = """() => {
      const { shadowRoot } = document.querySelector('helicone-feedback');
      return getComputedStyle(shadowRoot.querySelector('button')).transitionDuration;
    }"""
    assert "0.15s" in tab.run(moving)
    tab.use(lambda page: page.emulate_media(reduced_motion="reduce"))
    assert tab.run(moving) == "0s"


def test_pages_of_other_sites_get_the_script_and_nothing_else(
    profile: Profile, bench: Bench, app: Server
) -> None:
    desk = Desk(app, bench, "attacker.test")
    tab = desk.open(profile, desk.script(**{"for": desk.chat(), "hold": "0s"}))
    click(tab, UP)
    assert wait_for_told(tab, "failed")["state"] == "kept"
    assert desk.bench.posted == []


def test_a_page_on_the_internet_is_stopped_by_the_browser_unless_a_person_agrees(
    app: Server, desk: Desk
) -> None:
    with (
        Chromium(public_port=app.port, checks_local_access=True) as careful,
        careful.open_profile() as profile,
    ):
        tab = desk.open(profile, desk.script(**{"for": desk.chat()}))
        assert tab.run("() => document.querySelectorAll('helicone-feedback').length") == 0
