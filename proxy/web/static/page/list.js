// A list of which only what is seen is in the document, and the row that has the focus, wherever it is.

import { h, say, set } from "./dom.js";
import { COLUMNS, Row } from "./row.js";
import { rowsSeen, scrolledTo } from "./windows.js";

export class List {
  #grid;
  #body;
  #calls = [];
  #rows = new Map(); // by id
  #spare = [];
  #activeId = null;
  #rowHeight = 1;
  #headHeight = 0;
  #onMove;

  /** `onMove()`: another call is the active one. */
  constructor(grid, onMove) {
    this.#grid = grid;
    this.#onMove = onMove;
    const heads = COLUMNS.map((name) => h("div", { role: "columnheader", class: "cell" }, name));
    this.head = h("div", { role: "rowgroup", class: "head" }, h("div", { role: "row", "aria-rowindex": 1 }, ...heads));
    this.#body = h("div", { role: "rowgroup", class: "body" });
    set(grid, "aria-colcount", COLUMNS.length);
    grid.append(this.head, this.#body);
    grid.addEventListener("scroll", () => this.#draw(), { passive: true });
    grid.addEventListener("focusin", (event) => {
      const row = event.target.closest("[data-id]");
      if (row !== null && row.dataset.id !== this.#activeId) this.#activate(row.dataset.id);
    });
    new ResizeObserver(() => this.measure()).observe(grid);
    this.measure();
  }

  get activeId() {
    return this.#activeId;
  }

  /** Whether the focus is on a row, or within one. */
  get hasFocus() {
    return this.#body.contains(document.activeElement);
  }

  /** Heights as the style has them, which depend on the width. */
  measure() {
    const place = this.#grid.scrollTop / this.#rowHeight;
    const height = parseFloat(getComputedStyle(this.#grid).getPropertyValue("--row-height")) || 52;
    this.#headHeight = this.head.offsetHeight;
    if (height !== this.#rowHeight) {
      this.#rowHeight = height;
      this.#size();
      this.#grid.scrollTop = place * height;
    }
    this.#draw();
  }

  /** Show these calls. What a person looks at stays where it is. */
  show(calls) {
    const anchor = this.#grid.scrollTop > 0 ? this.#anchor() : null;
    const before = this.#indexOf(this.#activeId);
    const hadFocus = this.hasFocus;
    this.#calls = calls;
    const rows = String(calls.length + 1);
    if (this.#grid.getAttribute("aria-rowcount") !== rows) {
      this.#grid.setAttribute("aria-rowcount", rows);
      this.#size();
    }
    if (anchor !== null) this.#hold(anchor);
    if (this.#indexOf(this.#activeId) < 0) {
      const next = calls[Math.min(Math.max(before, 0), calls.length - 1)];
      this.#activeId = before < 0 ? null : (next?.id ?? null);
    }
    this.#draw();
    if (hadFocus && !this.hasFocus) this.focus();
  }

  /** Go so many calls down (or up), and put the focus there. */
  move(by) {
    if (!this.#calls.length) return;
    const here = this.#indexOf(this.#activeId);
    const from = here < 0 ? (by > 0 ? -1 : 0) : here;
    this.#go(Math.min(Math.max(from + by, 0), this.#calls.length - 1));
  }

  /** As many calls as are seen at once. */
  get page() {
    return Math.max(1, Math.floor((this.#grid.clientHeight - this.#headHeight) / this.#rowHeight) - 1);
  }

  /** Put the focus on the active call; on the newest, if none is. */
  focus() {
    if (this.#calls.length) this.#go(Math.max(0, this.#indexOf(this.#activeId)));
  }

  #go(index) {
    this.#activate(this.#calls[index].id);
    const height = this.#grid.clientHeight - this.#headHeight;
    this.#grid.scrollTop = scrolledTo(index, this.#grid.scrollTop, height, this.#rowHeight);
    this.#draw();
    this.#rows.get(this.#activeId).element.focus({ preventScroll: true });
  }

  #activate(id) {
    this.#activeId = id;
    this.#draw();
    this.#onMove();
  }

  #indexOf(id) {
    return id === null ? -1 : this.#calls.findIndex((call) => call.id === id);
  }

  #anchor() {
    const index = Math.min(Math.floor(this.#grid.scrollTop / this.#rowHeight), this.#calls.length - 1);
    if (index < 0) return null;
    return { id: this.#calls[index].id, offset: this.#grid.scrollTop - index * this.#rowHeight };
  }

  #hold({ id, offset }) {
    const index = this.#indexOf(id);
    if (index >= 0) this.#grid.scrollTop = index * this.#rowHeight + offset;
  }

  #size() {
    this.#body.style.height = `${this.#calls.length * this.#rowHeight}px`;
  }

  #draw() {
    const calls = this.#calls;
    const height = Math.max(0, this.#grid.clientHeight - this.#headHeight);
    const [first, end] = rowsSeen(this.#grid.scrollTop, height, this.#rowHeight, calls.length);
    const active = this.#indexOf(this.#activeId);
    const places = new Set();
    if (active >= 0 && active < first) places.add(active);
    for (let index = first; index < end; index += 1) places.add(index);
    if (active >= end) places.add(active);
    const wanted = new Set(Array.from(places, (index) => calls[index].id));
    for (const [id, row] of this.#rows) {
      if (wanted.has(id)) continue;
      this.#rows.delete(id);
      row.element.remove();
      this.#spare.push(row);
    }
    let after = null;
    // Without an active call the first one is where the tab key leads to.
    const reached = active >= 0 ? active : first;
    for (const index of places) {
      const call = calls[index];
      let row = this.#rows.get(call.id);
      if (row === undefined) this.#rows.set(call.id, (row = this.#spare.pop() ?? new Row()));
      row.show(call, index, index === reached);
      // Where it stands already it must not be moved: it would lose the focus.
      const there = after === null ? this.#body.firstChild : after.nextSibling;
      if (there !== row.element) this.#body.insertBefore(row.element, there);
      after = row.element;
    }
    this.#spare.length = Math.min(this.#spare.length, 20);
  }
}

/** How many are shown, in words. */
export function countInWords(element, shown, all, isLoading) {
  const of = shown === all ? `${all} calls` : `${shown} of ${all} calls`;
  say(element, isLoading ? `${of}, reading more …` : all === 1 && shown === 1 ? "1 call" : of);
}
