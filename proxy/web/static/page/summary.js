// The summary above the list.

import { h, say } from "./dom.js";
import { thumbs, thumbsBy, thumbsOverTime } from "./figures.js";
import { byGroup, overTime } from "./plots.js";
import { percent } from "./words.js";

const GROUPS = [
  ["model", "model"],
  ["route", "route"],
];

export class Summary {
  #details;
  #line;
  #figures;
  #calls = [];

  constructor(details) {
    this.#details = details;
    this.#line = details.querySelector(".sum");
    this.#figures = details.querySelector(".figures");
    details.addEventListener("toggle", () => this.#draw());
    new ResizeObserver(() => this.#draw()).observe(this.#figures);
  }

  /** Sum up these calls. */
  show(calls) {
    this.#calls = calls;
    const { up, down } = thumbs(calls);
    say(this.#line, up + down ? `${percent(up, up + down)} thumbs up of ${up + down} rated` : "no thumb yet");
    this.#draw();
  }

  #draw() {
    if (!this.#details.open) return;
    const boxes = [...this.#figures.querySelectorAll(".drawn")];
    const width = boxes.map((box) => Math.max(120, Math.floor(box.clientWidth)));
    const spans = thumbsOverTime(this.#calls, Math.max(8, Math.min(40, Math.floor(width[0] / 12))));
    if (!spans.length) {
      for (const box of boxes) box.replaceChildren(h("p", { class: "none" }, "Nothing is rated yet."));
      return;
    }
    boxes[0].replaceChildren(...overTime(spans, width[0]));
    GROUPS.forEach(([name, what], place) => {
      boxes[place + 1].replaceChildren(...byGroup(what, thumbsBy(name, this.#calls), width[place + 1]));
    });
  }
}
