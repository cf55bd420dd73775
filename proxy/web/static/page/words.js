// Figures and states as people read them. Nothing here knows of a document.

export const NOTHING = "–";

/** Milliseconds: `312 ms`, `4.2 s`, `2 min 5 s`. */
export function duration(ms) {
  if (ms === null || ms === undefined) return NOTHING;
  if (ms < 1) return "<1 ms";
  if (ms < 999.5) return `${Math.round(ms)} ms`;
  if (ms < 59_950) return `${(ms / 1000).toFixed(ms < 9_995 ? 2 : 1)} s`;
  const seconds = Math.round(ms / 1000);
  return `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
}

/** A number in few characters: `940`, `1.2k`, `31k`. */
export function short(number) {
  if (number < 1000) return String(number);
  if (number < 9950) return `${(number / 1000).toFixed(1)}k`;
  return number < 999_500 ? `${Math.round(number / 1000)}k` : `${(number / 1e6).toFixed(1)}M`;
}

/** What went in and what came out: `12 → 340`. */
export function tokens(counted) {
  if (!counted) return NOTHING;
  const [up, down] = [counted.input, counted.output].map((each) => (each === null ? "?" : short(each)));
  return `${up} → ${down}`;
}

/** The same as a sentence. */
export function tokensAloud(counted) {
  if (!counted) return "tokens not said";
  const say = (count, where) => (count === null ? `tokens ${where} not said` : `${count} tokens ${where}`);
  return `${say(counted.input, "in")}, ${say(counted.output, "out")}`;
}

/** A time of day; with the day where that is another one than `now`'s. */
export function clockTime(text, now = new Date()) {
  const at = new Date(text);
  const time = at.toLocaleTimeString(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit", hour12: false });
  if (at.toDateString() === now.toDateString()) return time;
  return `${at.toLocaleDateString(undefined, { month: "short", day: "numeric" })} ${time.slice(0, 5)}`;
}

/** Parts of a whole: `83%`. */
export function percent(part, whole) {
  if (!whole) return NOTHING;
  const rounded = Math.round((100 * part) / whole);
  // Nothing but none is 0%, and nothing but all 100%.
  return `${part && part !== whole ? Math.min(Math.max(rounded, 1), 99) : rounded}%`;
}

const STATES = {
  held: ["Held", "Can still be taken back."],
  queued: ["Queued", "It is on its way."],
  paused: ["Paused", "It waits for its key."],
  accepted: ["Accepted", "Helicone took it."],
  verified: ["Verified", "Stored at Helicone."],
  refused: ["Refused", "It can never arrive."],
  superseded: ["Superseded", "A newer rating took its place."],
  withdrawn: ["Withdrawn", "It was taken back."],
  sending: ["Sending", "On its way to the sidecar."],
  failed: ["Not sent", "The sidecar did not take it."],
};

/** How a rating stands: {state, word, detail}; null where there is none. */
export function standing(call) {
  if (call.local) {
    const [word, detail] = STATES[call.local.state];
    return { state: call.local.state, word, detail: call.local.message ?? detail };
  }
  if (!call.rating) return null;
  const [word, detail] = STATES[call.rating.state] ?? [call.rating.state, ""];
  return { state: call.rating.state, word, detail: call.rating.reason ?? detail };
}

/** How a call stands, where that is not simply well: {kind, word}; null where it is. */
export function trouble(call) {
  if (call.phase === "started") return { kind: "open", word: "waiting" };
  if (call.state === "streaming") return { kind: "open", word: "streaming" };
  if (call.state === "failed") return { kind: "bad", word: "no answer" };
  if (call.state === "cut") return { kind: "bad", word: "cut off" };
  if (call.status >= 400) return { kind: "bad", word: String(call.status) };
  if (call.state === "left") return { kind: "odd", word: "app left" };
  return null;
}

/** A call as one names it in a sentence. */
export function nameOf(call) {
  return `${call.model ?? call.path}, ${clockTime(call.started_at)}`;
}

/** A thumb as a word. */
export function thumb(up) {
  return up === true ? "Thumb up" : up === false ? "Thumb down" : "Words";
}
