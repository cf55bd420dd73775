// What the ratings of many calls come to. Nothing here knows of a document.

const MOST_BARS = 5;

/** Thumbs among calls: {up, down}. */
export function thumbs(calls) {
  const sum = { up: 0, down: 0 };
  for (const call of calls) count(sum, call);
  return sum;
}

/** The same for each value of something, those with most thumbs first; the rest as one. */
export function thumbsBy(name, calls) {
  const groups = new Map();
  for (const call of calls) {
    if (typeof call.rating?.rating !== "boolean") continue;
    const key = call[name] ?? "not said";
    if (!groups.has(key)) groups.set(key, { name: key, up: 0, down: 0 });
    count(groups.get(key), call);
  }
  const all = [...groups.values()].sort((a, b) => b.up + b.down - a.up - a.down || (a.name < b.name ? -1 : 1));
  if (all.length <= MOST_BARS) return all;
  const rest = all.slice(MOST_BARS - 1);
  const others = { name: `${rest.length} others`, up: 0, down: 0 };
  for (const each of rest) {
    others.up += each.up;
    others.down += each.down;
  }
  return [...all.slice(0, MOST_BARS - 1), others];
}

/** Thumbs over time, in spans of one length: [{from, to, up, down}], Unix milliseconds; [] without a thumb. */
export function thumbsOverTime(calls, spans) {
  const rated = [];
  for (const call of calls) {
    if (typeof call.rating?.rating === "boolean") rated.push([Date.parse(call.started_at), call]);
  }
  if (!rated.length) return [];
  let [first, last] = [Infinity, -Infinity];
  for (const [at] of rated) {
    first = Math.min(first, at);
    last = Math.max(last, at);
  }
  const length = Math.max(1000, Math.ceil((last - first + 1) / spans));
  const number = Math.floor((last - first) / length) + 1;
  const found = Array.from({ length: number }, (_, place) => ({
    from: first + place * length,
    to: first + (place + 1) * length,
    up: 0,
    down: 0,
  }));
  for (const [at, call] of rated) count(found[Math.floor((at - first) / length)], call);
  return found;
}

function count(sum, call) {
  if (call.rating?.rating === true) sum.up += 1;
  if (call.rating?.rating === false) sum.down += 1;
}
