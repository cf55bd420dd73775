// One call in the list.

import { canTakeBack, whyNot } from "./calls.js";
import { h, icon, say, set } from "./dom.js";
import { clockTime, duration, nameOf, standing, thumb, tokens, tokensAloud, trouble } from "./words.js";

/** The columns, in their order. */
export const COLUMNS = ["Time", "Call", "Session and user", "First byte", "Duration", "Tokens", "Rating", "Delivery"];

function cell(name, ...children) {
  return h("div", { role: "gridcell", class: `cell ${name}` }, ...children);
}

function button(what, picture) {
  return h("button", { type: "button", class: `act ${what}`, "data-do": what }, icon(picture));
}

export class Row {
  #call = null;
  #index = -1;
  #isActive = null;

  constructor() {
    this.time = h("time");
    this.model = h("strong", { class: "model" });
    this.trouble = h("span", { class: "trouble" });
    this.path = h("span", { class: "path" });
    this.prompt = h("span", { class: "preview" });
    this.answer = h("span", { class: "preview" });
    this.session = h("span", { class: "session" });
    this.user = h("span", { class: "user" });
    this.comment = h("span", { class: "comment-said" });
    this.first = cell("first number");
    this.took = cell("took number");
    this.tokens = h("span", { "aria-hidden": "true" });
    this.tokensAloud = h("span", { class: "aside" });
    this.up = button("up", "up");
    this.down = button("down", "down");
    this.words = button("comment", "comment");
    this.undo = button("undo", "undo");
    this.chip = h("button", { type: "button", class: "chip", "data-do": "details" });
    this.detail = h("span", { class: "detail" });
    this.element = h(
      "div",
      { role: "row", class: "row" },
      cell("when", this.time),
      cell("what", h("span", { class: "line" }, this.model, this.trouble), this.path, this.prompt, this.answer),
      cell("who", h("span", { class: "line" }, this.session, this.user), this.comment),
      this.first,
      this.took,
      cell("tokens number", this.tokens, this.tokensAloud),
      cell("rate", this.up, this.down, this.words, this.undo),
      cell("state", this.chip, this.detail),
    );
  }

  /** Show a call at a place. */
  show(call, index, isActive) {
    if (index !== this.#index) {
      this.#index = index;
      set(this.element, "aria-rowindex", index + 2);
      // Through the object model: the page's policy takes no style from an attribute's text.
      this.element.style.setProperty("--index", index);
      this.element.classList.toggle("odd", index % 2 === 1);
    }
    if (isActive !== this.#isActive) this.#activate(isActive);
    if (call !== this.#call) this.#tell(call);
  }

  #activate(isActive) {
    this.#isActive = isActive;
    set(this.element, "aria-selected", isActive ? "true" : "false");
    this.element.tabIndex = isActive ? 0 : -1;
    for (const each of [this.up, this.down, this.words, this.undo, this.chip]) each.tabIndex = isActive ? 0 : -1;
  }

  #tell(call) {
    this.#call = call;
    this.element.dataset.id = call.id;
    set(this.time, "datetime", call.started_at);
    say(this.time, clockTime(call.started_at));
    say(this.model, call.model ?? "no model");
    this.model.classList.toggle("none", !call.model);
    const wrong = trouble(call);
    this.trouble.hidden = wrong === null;
    say(this.trouble, wrong?.word ?? "");
    this.trouble.dataset.kind = wrong?.kind ?? "";
    say(this.path, `${call.method} ${call.path}`);
    say(this.prompt, call.preview?.prompt ? `“${call.preview.prompt}”` : "");
    say(this.answer, call.preview?.answer ? `→ ${call.preview.answer}` : "");
    say(this.session, call.session ?? "");
    say(this.user, call.user ?? "");
    say(this.comment, [call.rating?.comment && `“${call.rating.comment}”`, byRule(call.rating)].filter(Boolean).join(" "));
    say(this.first, duration(call.first_byte_ms));
    say(this.took, duration(call.duration_ms));
    say(this.tokens, tokens(call.tokens));
    say(this.tokensAloud, tokensAloud(call.tokens));
    this.#tellRating(call);
  }

  #tellRating(call) {
    const shown = call.local?.up ?? call.rating?.rating ?? null;
    const why = whyNot(call);
    const name = nameOf(call);
    for (const [element, up] of [[this.up, true], [this.down, false]]) {
      set(element, "aria-pressed", shown === up ? "true" : "false");
      set(element, "aria-label", `${thumb(up)} for ${name}`);
      set(element, "aria-disabled", why === null ? null : "true");
      set(element, "title", why ?? (up ? "Thumb up (u)" : "Thumb down (d)"));
    }
    set(this.words, "aria-label", call.rating?.comment ? `Change the comment on ${name}` : `Comment on ${name}`);
    set(this.words, "aria-disabled", why === null ? null : "true");
    set(this.words, "title", why ?? "Comment (c)");
    this.words.classList.toggle("has", !!call.rating?.comment);
    this.undo.classList.toggle("gone", !canTakeBack(call.rating));
    set(this.undo, "aria-label", `Take back the rating of ${name}`);
    set(this.undo, "title", "Take back (x)");
    const now = standing(call);
    this.chip.dataset.state = now?.state ?? (why === null ? "none" : "never");
    say(this.chip, now?.word ?? (why === null ? "Not rated" : call.phase === "started" ? "Not yet" : "Cannot be rated"));
    set(this.chip, "aria-label", `${this.chip.textContent}: show all of ${name}`);
    say(this.detail, now?.detail ?? (why === null ? "" : why));
    set(this.detail, "title", this.detail.textContent || null);
  }
}

/** Which rule rated a call, if one did. */
const byRule = (rating) => (rating?.rule ? `by rule ${rating.rule}` : "");
