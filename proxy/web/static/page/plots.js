// Plots, drawn as SVG, each with the same in words and as a table for those who do not see it.

import { h, s } from "./dom.js";
import { clockTime, percent } from "./words.js";

const HEIGHT = 112;
const BAR = 22;

function table(caption, head, rows) {
  const line = (cells, name) => h("tr", {}, ...cells.map((text) => h(name, name === "th" ? { scope: "col" } : {}, text)));
  return h(
    "table",
    { class: "aside" },
    h("caption", {}, caption),
    h("thead", {}, line(head, "th")),
    h("tbody", {}, ...rows.map((cells) => line(cells, "td"))),
  );
}

function text(x, y, said, attributes = {}) {
  return s("text", { x, y, ...attributes }, said);
}

/** The share of thumbs up in each span: a line, with a dot for each span and its number of thumbs below. */
export function overTime(spans, width) {
  const rated = spans.filter((span) => span.up + span.down > 0);
  const said = rated.map((span) => [
    clockTime(new Date(span.from).toISOString()),
    percent(span.up, span.up + span.down),
    String(span.up + span.down),
  ]);
  const up = rated.reduce((sum, span) => sum + span.up, 0);
  const all = rated.reduce((sum, span) => sum + span.up + span.down, 0);
  const sentence = `Share of thumbs up over time: ${percent(up, all)} of ${all} in all; last ${said.at(-1)?.[1] ?? "none"}.`;
  const drawing = s("svg", { class: "plot", role: "img", "aria-label": sentence, width, height: HEIGHT });
  const [left, right, top, bottom] = [34, width - 8, 8, HEIGHT - 34];
  const yOf = (share) => bottom - share * (bottom - top);
  for (const share of [0, 0.5, 1]) {
    drawing.append(s("line", { class: "rule", x1: left, x2: right, y1: yOf(share), y2: yOf(share) }));
    drawing.append(text(left - 6, yOf(share) + 3.5, `${share * 100}%`, { class: "tick", "text-anchor": "end" }));
  }
  const step = (right - left) / Math.max(1, spans.length);
  const wide = Math.min(14, step * 0.7);
  const most = Math.max(1, ...spans.map((span) => span.up + span.down));
  const points = [];
  spans.forEach((span, place) => {
    const number = span.up + span.down;
    if (!number) return;
    const x = left + (place + 0.5) * step;
    points.push([x, yOf(span.up / number)]);
    const tall = Math.max(1.5, (14 * number) / most);
    drawing.append(s("rect", { class: "volume", x: x - wide / 2, width: wide, y: bottom + 18 - tall, height: tall }));
  });
  if (points.length > 1) drawing.append(s("polyline", { class: "share", points: points.map((each) => each.join(",")).join(" ") }));
  for (const [x, y] of points) drawing.append(s("circle", { class: "share-dot", cx: x, cy: y, r: points.length > 30 ? 2 : 3 }));
  if (spans.length) {
    const [from, to] = [spans[0].from, spans.at(-1).to].map((at) => clockTime(new Date(at).toISOString()));
    drawing.append(text(left, HEIGHT - 3, from, { class: "tick" }));
    drawing.append(text(right, HEIGHT - 3, to, { class: "tick", "text-anchor": "end" }));
  }
  return [drawing, table("Thumbs up over time", ["From", "Thumbs up", "Ratings"], said)];
}

/** Thumbs up and down of each group, as one bar. */
export function byGroup(what, groups, width) {
  const said = groups.map((each) => [each.name, percent(each.up, each.up + each.down), `${each.up}`, `${each.down}`]);
  const sentence = `Thumbs up by ${what}: ${said.map(([name, share, , ]) => `${name} ${share}`).join(", ")}.`;
  const height = Math.max(1, groups.length) * BAR;
  const drawing = s("svg", { class: "plot", role: "img", "aria-label": sentence, width, height });
  const most = Math.max(1, ...groups.map((each) => each.up + each.down));
  const names = Math.min(190, Math.round(width * 0.42));
  const room = Math.max(20, width - names - 96);
  groups.forEach((each, place) => {
    const number = each.up + each.down;
    const y = place * BAR;
    const long = Math.max(3, (room * number) / most);
    const upLong = (long * each.up) / number;
    const fits = Math.floor(names / 6.6);
    const name = each.name.length > fits ? `${each.name.slice(0, fits - 1)}…` : each.name;
    drawing.append(text(0, y + 14.5, name, { class: "label" }));
    if (each.up) drawing.append(s("rect", { class: "up", x: names, y: y + 5, width: upLong, height: 12, rx: 2 }));
    if (each.down) drawing.append(s("rect", { class: "down", x: names + upLong, y: y + 5, width: long - upLong, height: 12, rx: 2 }));
    drawing.append(text(names + long + 6, y + 14.5, `${percent(each.up, number)} of ${number}`, { class: "tick" }));
  });
  return [drawing, table(`Thumbs up by ${what}`, [what, "Thumbs up", "Up", "Down"], said)];
}
