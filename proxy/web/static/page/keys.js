// The keyboard.

/** What each key does, where nobody types. */
const KEYS = {
  j: "next",
  k: "previous",
  u: "up",
  d: "down",
  c: "comment",
  x: "undo",
  Enter: "details",
  "/": "filter",
  "?": "help",
};
/** Only where the list has the focus: elsewhere they scroll. */
const LIST_KEYS = { ArrowDown: "next", ArrowUp: "previous", PageDown: "pageDown", PageUp: "pageUp", Home: "first", End: "last" };

/** Call `act(word)` for each key that means something; `isInList()`: whether the focus is there. */
export function listenToKeys(act, isInList) {
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
    if (document.querySelector("dialog[open]")) return;
    const at = event.target;
    if (at.closest("input, select, textarea")) {
      if (event.key === "Escape") act("list");
      return;
    }
    // A button and a summary have their own Enter.
    if (event.key === "Enter" && at.closest("button, summary, a")) return;
    const word = KEYS[event.key] ?? (isInList() ? LIST_KEYS[event.key] : undefined);
    if (word === undefined) return;
    if (event.key === "Enter" && !isInList()) return;
    event.preventDefault();
    act(word);
  });
}
