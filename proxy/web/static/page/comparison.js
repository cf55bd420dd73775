// Versions side by side, as they are rated. It asks when it is open, and when somebody asks for something else.

import { compare, Refused } from "./api.js";
import {
  byInWords, intervalInWords, meanInWords, offered, queryOf, scoresOf, SINCE, USUAL_SINCE, usualBy, whereOf,
} from "./comparing.js";
import { h, s, say } from "./dom.js";
import { percent } from "./words.js";

const MOST_NAMES = 50;
/** Whoever types a filter is not done yet with the first letter. */
const PAUSE_MS = 400;

export class Comparison {
  #details;
  #calls;
  #filters = {};
  #asked = ""; // the query that is answered, or on its way
  #asking = null;
  #pause = null;

  /** `calls`: what is remembered; `onChoice({compare, since})`: somebody wants to compare by something else. */
  constructor(details, calls, onChoice) {
    this.#details = details;
    this.#calls = calls;
    const find = (name) => details.querySelector(`[data-${name}]`);
    this.by = find("by");
    this.since = find("since");
    this.where = find("where");
    this.verdict = find("verdict");
    this.table = find("table");
    this.notes = find("notes");
    this.since.append(...Object.entries(SINCE).map(([value, words]) => h("option", { value }, words)));
    this.by.addEventListener("change", () => onChoice({ compare: this.by.value, since: this.since.value }));
    this.since.addEventListener("change", () => onChoice({ compare: this.by.value, since: this.since.value }));
    find("again").addEventListener("click", () => this.#ask());
    details.addEventListener("toggle", () => {
      this.offer();
      onChoice({ compare: details.open ? this.by.value : "", since: details.open ? this.since.value : "" });
      if (!details.open) this.#drop();
    });
  }

  /** Show what these filters mean; they say by what, too. */
  show(filters) {
    this.#filters = filters;
    this.offer();
    this.since.value = filters.since ?? USUAL_SINCE;
    if (filters.compare) this.#details.open = true;
    if (!this.#details.open) return;
    const query = this.#query();
    if (query === this.#asked) return;
    clearTimeout(this.#pause);
    this.#pause = setTimeout(() => this.#ask(), this.#asked ? PAUSE_MS : 0);
  }

  /** Offer what calls can be told apart by now. */
  offer() {
    if (document.activeElement === this.by) return;
    const wanted = this.#filters.compare;
    const values = offered(this.#calls, MOST_NAMES);
    if (wanted && !values.includes(wanted)) values.unshift(wanted);
    const key = values.join("\n");
    if (this.by.dataset.values !== key) {
      this.by.dataset.values = key;
      const kept = this.by.value;
      this.by.replaceChildren(...values.map((value) => h("option", { value }, byInWords(value))));
      this.by.value = kept;
    }
    // What somebody looks at stays, though more is known by now.
    if (wanted) this.by.value = wanted;
    else if (!this.#asked || !this.by.value) this.by.value = usualBy(values, this.#filters);
  }

  #query() {
    return queryOf(this.by.value, this.since.value, this.#filters);
  }

  #drop() {
    clearTimeout(this.#pause);
    this.#asking?.abort();
    this.#asking = null;
    this.#asked = "";
  }

  async #ask() {
    this.#drop();
    const asking = (this.#asking = new AbortController());
    this.#asked = this.#query();
    this.#details.dataset.state = "asking";
    say(this.verdict, "Comparing …");
    try {
      const said = await compare(this.#asked, asking.signal);
      if (this.#asking === asking) this.#tell(said);
    } catch (error) {
      if (this.#asking !== asking) return;
      this.#details.dataset.state = "failed";
      this.table.replaceChildren();
      this.notes.replaceChildren();
      say(this.verdict, error instanceof Refused ? error.message : "The sidecar cannot be reached.");
    }
  }

  #tell(said) {
    this.#details.dataset.state = said.verdict.finding;
    say(this.verdict, said.verdict.sentence);
    const notes = [...said.notes];
    if (said.why_local !== undefined) notes.unshift(`From what is remembered here: ${said.why_local}`);
    this.notes.replaceChildren(...notes.map((each) => h("li", {}, each)));
    const where = whereOf(this.#filters);
    say(this.where, where.length ? `Only calls with ${where.join(" and ")}.` : "");
    this.table.replaceChildren(...(said.variants.length ? [tableOf(said, byInWords(this.by.value))] : []));
  }
}

function tableOf({ variants }, what) {
  const scores = scoresOf(variants);
  const head = [what, "", "Thumbs up", "95% interval", "Calls", ...scores];
  const heads = head.map((name, place) =>
    place === 1 ? h("td", { class: "bar" }, axis()) : h("th", { scope: "col", class: place > 1 ? "number" : "name" }, name),
  );
  return h(
    "table",
    {},
    h("caption", { class: "aside" }, `Thumbs up by ${what}`),
    h("thead", {}, h("tr", {}, ...heads)),
    h("tbody", {}, ...variants.map((each) => rowOf(each, scores))),
  );
}

function rowOf(variant, scores) {
  const numbers = [
    variant.rated ? `${percent(variant.up, variant.rated)} of ${variant.rated}` : "not rated",
    intervalInWords(variant.interval),
    variant.calls === null ? "" : String(variant.calls),
    ...scores.map((name) => meanInWords(variant.scores[name])),
  ];
  return h(
    "tr",
    {},
    h("th", { scope: "row", class: "name", title: variant.value }, variant.value),
    h("td", { class: "bar" }, bar(variant)),
    ...numbers.map((said) => h("td", { class: "number" }, said)),
  );
}

// In parts of the cell's width, whatever that is: so nothing has to be drawn anew.
const at = (share) => `${(100 * share).toFixed(2)}%`;

function axis() {
  const marks = [[0, "start"], [0.5, "middle"], [1, "end"]];
  return s(
    "svg",
    { class: "axis", "aria-hidden": "true", width: "100%", height: 14 },
    ...marks.map(([share, anchor]) => s("text", { x: at(share), y: 11, "text-anchor": anchor }, at(share).replace(".00", ""))),
  );
}

function bar({ share, interval }) {
  const drawing = s("svg", { "aria-hidden": "true", width: "100%", height: 22 });
  for (const each of [0, 0.5, 1]) drawing.append(s("line", { class: "rule", x1: at(each), x2: at(each), y1: 0, y2: 22 }));
  if (share === null) return drawing;
  const { low, high } = interval;
  drawing.append(
    s("rect", { class: "up", x: 0, y: 5, width: at(share), height: 12, rx: 2 }),
    s("line", { class: "reach", x1: at(low), x2: at(high), y1: 11, y2: 11 }),
    ...[low, high].map((each) => s("line", { class: "reach", x1: at(each), x2: at(each), y1: 6.5, y2: 15.5 })),
    s("circle", { class: "here", cx: at(share), cy: 11, r: 3.5 }),
  );
  return drawing;
}
