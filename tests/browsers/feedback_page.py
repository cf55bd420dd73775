"""What a person does on the page, and sees there."""

from typing import Any, Self

from browsers.chromium import Profile, Tab

_ROWS = """() => [...document.querySelectorAll(".row")].map((row) => ({
  id: row.dataset.id, model: row.querySelector(".model").textContent,
  state: row.querySelector(".chip").textContent,
  trouble: row.querySelector(".trouble").textContent, detail: row.querySelector(".detail").textContent,
  up: row.querySelector(".up").getAttribute("aria-pressed") === "true",
  down: row.querySelector(".down").getAttribute("aria-pressed") === "true",
  hasFocus: row.contains(document.activeElement),
}))"""
_STATE = '([id, state]) => document.querySelector(`[data-id="${id}"] .chip`)?.textContent === state'
_HIDE = """(hidden) => {
  Object.defineProperty(document, "hidden", { get: () => hidden, configurable: true });
  document.dispatchEvent(new Event("visibilitychange"));
}"""
_NOTE_SAID = """() => {
  const line = document.getElementById("said");
  window.wasSaid = [];
  new MutationObserver(() => window.wasSaid.push(line.textContent))
    .observe(line, { childList: true, characterData: true, subtree: true });
}"""


class FeedbackPage:
    """The page in a tab."""

    def __init__(self, tab: Tab) -> None:
        self.tab = tab

    @classmethod
    def open(cls, profile: Profile, port: int, *, more: str = "") -> Self:
        """Open it, and wait until it follows what happens."""
        page = cls(profile.open(f"http://localhost:{port}/feedback{more}"))
        page.wait_until_connection("live")
        return page

    def wait_until_connection(self, state: str) -> None:
        """Wait until the connection is `live`, `waiting`, `asleep` ..."""
        self.tab.wait("(state) => document.body.dataset.connection === state", state)

    @property
    def rows(self) -> list[dict[str, Any]]:
        """What is in the document of the list, from its top."""
        found: list[dict[str, Any]] = self.tab.run(_ROWS)
        return found

    def row(self, call_id: str) -> dict[str, Any]:
        """The row of a call."""
        return next(row for row in self.rows if row["id"] == call_id)

    def wait_for_row(self, call_id: str) -> None:
        """Wait until a call is shown."""
        self.tab.wait('(id) => document.querySelector(`[data-id="${id}"]`) !== null', call_id)

    def wait_for_state(self, call_id: str, state: str) -> None:
        """Wait until the rating of a call stands so, in words."""
        self.tab.wait(_STATE, [call_id, state])

    def wait_for_count(self, text: str) -> None:
        """Wait until the page says so of how many calls it shows."""
        self.tab.wait('(text) => document.getElementById("count").textContent === text', text)

    def wait_until_said(self, text: str) -> None:
        """Wait until a screen reader has been told something with that text in it."""
        self.tab.wait('(text) => document.getElementById("said").textContent.includes(text)', text)

    def note_what_is_said(self) -> None:
        """Remember from now on what is said, for `wait_until_was_said`: it is shown for a moment."""
        self.tab.run(_NOTE_SAID)

    def wait_until_was_said(self, text: str) -> None:
        """Wait until something with that text in it has been said since `note_what_is_said`."""
        self.tab.wait("(text) => window.wasSaid.some((each) => each.includes(text))", text)

    def hide(self, *, hidden: bool = True) -> None:
        """Tell the page that it is hidden, as a browser does when another tab is shown."""
        self.tab.run(_HIDE, hidden)

    @property
    def focused(self) -> str:
        """The id of the call whose row has the focus; "" for none."""
        return next((row["id"] for row in self.rows if row["hasFocus"]), "")
