// What opens above the page: a comment, all of one call, the keys.

import { h, say } from "./dom.js";
import { clockTime, duration, nameOf, NOTHING, standing, tokensAloud } from "./words.js";

/** Write a comment, and perhaps a thumb with it. */
export class CommentDialog {
  #dialog;
  #call = null;
  #onSave;

  /** `onSave(call, {comment, rating})`. */
  constructor(dialog, onSave) {
    this.#dialog = dialog;
    this.#onSave = onSave;
    this.text = dialog.querySelector("textarea");
    dialog.querySelector("[data-save]").addEventListener("click", () => this.#save());
    dialog.querySelector("[data-close]").addEventListener("click", () => dialog.close());
    this.text.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) this.#save();
    });
  }

  open(call) {
    this.#call = call;
    say(this.#dialog.querySelector("[data-name]"), nameOf(call));
    say(this.#dialog.querySelector("[data-wrong]"), "");
    this.text.value = call.rating?.comment ?? "";
    const thumb = String(call.local?.up ?? call.rating?.rating ?? "none");
    for (const each of this.#dialog.querySelectorAll("input[name=thumb]")) {
      each.checked = each.value === thumb;
      // Helicone cannot remove a thumb: one that was given can only be the other one.
      if (each.value === "none") each.disabled = typeof call.rating?.rating === "boolean";
    }
    this.#dialog.showModal();
    this.text.focus();
  }

  #save() {
    const comment = this.text.value.trim();
    if (!comment) {
      say(this.#dialog.querySelector("[data-wrong]"), "There are no words yet.");
      this.text.focus();
      return;
    }
    const thumb = this.#dialog.querySelector("input[name=thumb]:checked")?.value ?? "none";
    this.#dialog.close();
    this.#onSave(this.#call, { comment, ...(thumb !== "none" && { rating: thumb === "true" }) });
  }
}

/** Show all that is known of a call. */
export function showDetails(dialog, call) {
  const now = standing(call);
  const facts = [
    ["Request id", call.id],
    ["Also known as", call.aliases.join(", ")],
    ["Started", `${clockTime(call.started_at)} (${call.started_at})`],
    ["Path", `${call.method} ${call.path}`],
    ["Route", call.route],
    ["Status", `${call.status ?? NOTHING}, ${call.state}`],
    ["First byte", duration(call.first_byte_ms)],
    ["Duration", duration(call.duration_ms)],
    ["Tokens", tokensAloud(call.tokens)],
    ["Bytes", `${call.bytes_up} up, ${call.bytes_down} down`],
    ["Session", call.session],
    ["User", call.user],
    ["Client", call.client],
    ["Properties", Object.entries(call.properties).map(([name, value]) => `${name}: ${value}`).join(", ")],
    ["Prompt", call.preview?.prompt],
    ["Answer", call.preview?.answer],
    ["Rating", now && `${call.rating?.thumb ?? ""} ${now.word}. ${now.detail}`.trim()],
    ["Comment", call.rating?.comment],
    ["Rule", call.rating?.rule],
    ["Attempts", call.rating?.attempts],
    ["Cannot be rated", call.unratable],
  ].filter(([, value]) => value !== null && value !== undefined && value !== "");
  say(dialog.querySelector("h2"), nameOf(call));
  dialog
    .querySelector("dl")
    .replaceChildren(...facts.map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, String(value)))));
  dialog.showModal();
}
