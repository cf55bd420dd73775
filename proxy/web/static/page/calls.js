// The calls that the page knows, the newest first. Nothing here knows of a document.

/** What the stream says of a call's way; a list says it by the state. */
export const STARTED = "started";
const ANSWERED = "answered";
const ENDED = "ended";

export class CallBook {
  #byId = new Map();
  #order = []; // ids, the newest first
  #told = new Set(); // ids that events told of since a page of the list was asked for
  #kept = null; // ids that a load has seen so far; null while there is none
  capacity = Infinity;

  get size() {
    return this.#order.length;
  }

  get(id) {
    return this.#byId.get(id);
  }

  /** All calls, the newest first. */
  *[Symbol.iterator]() {
    for (const id of this.#order) yield this.#byId.get(id);
  }

  /** The whole list is about to be read: what it does not name will be gone at `endLoad`. */
  beginLoad() {
    this.#kept = new Set();
  }

  /** A page of the list is asked for: what events say from now on may be newer than it. */
  beginPage() {
    this.#told.clear();
  }

  /** A page of the list has come. */
  listed(calls) {
    for (const call of calls) {
      this.#kept?.add(call.id);
      if (this.#told.has(call.id)) continue;
      this.#put({ ...call, phase: call.state === "streaming" ? ANSWERED : ENDED });
    }
    this.#trim();
  }

  endLoad() {
    const kept = this.#kept;
    this.#kept = null;
    if (kept === null || kept.size === this.size) return;
    this.#order = this.#order.filter((id) => kept.has(id) || !this.#byId.delete(id));
  }

  /** An event `call`. */
  told({ phase, call, was }) {
    if (was !== undefined && was !== call.id) this.#remove(was);
    this.#put({ ...call, phase });
    this.#note(call.id);
    this.#trim();
  }

  /** An event `rating`, or what an answer said of it. False where the call is not known here. */
  rated(id, rating) {
    const call = this.#byId.get(id);
    if (call === undefined) return false;
    this.#byId.set(id, { ...call, rating, local: undefined });
    this.#note(id);
    return true;
  }

  /** What this page itself is doing about a call: {word, up, message}; undefined: nothing. */
  mark(id, local) {
    const call = this.#byId.get(id);
    if (call !== undefined) this.#byId.set(id, { ...call, local });
  }

  #note(id) {
    this.#told.add(id);
    this.#kept?.add(id);
  }

  #put(call) {
    const known = this.#byId.get(call.id);
    if (known !== undefined && known.started_at === call.started_at) {
      this.#byId.set(call.id, { ...call, local: known.local });
      return;
    }
    if (known !== undefined) this.#remove(call.id);
    this.#byId.set(call.id, call);
    this.#order.splice(this.#placeOf(call.started_at), 0, call.id);
  }

  // Times are written alike, so that they compare as texts.
  #placeOf(startedAt) {
    let low = 0;
    let high = this.#order.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#byId.get(this.#order[middle]).started_at > startedAt) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  #remove(id) {
    const call = this.#byId.get(id);
    if (call === undefined) return;
    let place = this.#placeOf(call.started_at);
    while (this.#order[place] !== id) place += 1;
    this.#order.splice(place, 1);
    this.#byId.delete(id);
  }

  #trim() {
    while (this.#order.length > this.capacity) this.#byId.delete(this.#order.pop());
  }
}

/** Whether the rating of a call is still here, so that it can be taken back. */
export function canTakeBack(rating) {
  if (!rating || rating.attempts > 0 || rating.accepted_at) return false;
  return ["held", "queued", "paused", "refused"].includes(rating.state);
}

/** Why a call cannot be rated now; null if it can. */
export function whyNot(call) {
  if (call.phase === STARTED) return "Its answer has not begun yet.";
  return call.unratable ?? null;
}
