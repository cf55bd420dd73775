// The stream of events, opened again whenever it ends. Nothing here knows of a document; time and chance come in.

const LONGEST_WAIT_SECONDS = 8;

/** How long to wait before the next attempt: a little more each time, and never all pages at once. */
export function backOff(attempts, chance) {
  return Math.min(LONGEST_WAIT_SECONDS, 0.25 * 2 ** attempts) * (0.75 + chance / 2);
}

/**
 * Tells `on`: `state(word)` with connecting, live, waiting, asleep or signed_out; `ready({resumed})`; `call(data)`;
 * `rating(data)`. `means`: `makeSource(url)` opens an EventSource, `later(seconds, what)` gives what cancels it,
 * `chance()` is from 0 to 1, `isSignedOut()` asks the sidecar.
 */
export class Feed {
  #url;
  #on;
  #means;
  #source = null;
  #cancel = null;
  #attempts = 0;
  #lastId = "";
  #wanted = false;

  constructor(url, on, means) {
    this.#url = url;
    this.#on = on;
    this.#means = means;
  }

  open() {
    if (this.#wanted) return;
    this.#wanted = true;
    this.#attempts = 0;
    this.#connect();
  }

  /** Nobody looks: let go of the connection, of which a browser grants six. */
  close() {
    this.#wanted = false;
    this.#hangUp();
    this.#on.state("asleep");
  }

  #connect() {
    this.#hangUp();
    this.#on.state("connecting");
    const url = this.#lastId ? `${this.#url}?last_event_id=${encodeURIComponent(this.#lastId)}` : this.#url;
    const source = this.#means.makeSource(url);
    this.#source = source;
    source.addEventListener("ready", (event) => {
      this.#attempts = 0;
      this.#on.state("live");
      this.#on.ready(JSON.parse(event.data));
    });
    for (const kind of ["call", "rating"]) {
      source.addEventListener(kind, (event) => {
        if (event.lastEventId) this.#lastId = event.lastEventId;
        this.#on[kind](JSON.parse(event.data));
      });
    }
    source.addEventListener("end", () => this.#again());
    source.addEventListener("error", () => this.#again());
  }

  #again() {
    if (!this.#wanted || this.#cancel) return;
    this.#hangUp();
    this.#on.state("waiting");
    this.#cancel = this.#means.later(backOff(this.#attempts, this.#means.chance()), async () => {
      this.#cancel = null;
      // An EventSource does not say why it failed.
      const isSignedOut = this.#attempts > 0 && (await this.#means.isSignedOut());
      if (!this.#wanted) return;
      if (isSignedOut) {
        this.#wanted = false;
        this.#on.state("signed_out");
      } else this.#connect();
    });
    this.#attempts += 1;
  }

  #hangUp() {
    this.#source?.close();
    this.#source = null;
    this.#cancel?.();
    this.#cancel = null;
  }
}
