// The sidecar's local API, as far as the page asks it.

const HERE = "/feedback";
const PAGE_SIZE = 500;
/** How long a rating is kept back, so that an undo takes it back; then it leaves, and stands. */
const HOLD = "4s";

/** The sidecar said no; the message is its sentence. */
export class Refused extends Error {
  constructor(status, code, message) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

async function ask(method, path, body, headers = {}, signal = undefined) {
  const answer = await fetch(HERE + path, {
    method,
    headers: { Accept: "application/json", ...(body && { "Content-Type": "application/json" }), ...headers },
    body: body && JSON.stringify(body),
    cache: "no-store",
    signal,
  });
  const said = await answer.json();
  if (!answer.ok) throw new Refused(answer.status, said.error.code, said.error.message);
  return said;
}

/** All remembered calls, a page at a time, the newest first; ends early where `isOver()`. */
export async function loadCalls(onAsk, onPage, isOver) {
  for (let before = ""; ; ) {
    onAsk();
    let said;
    try {
      said = await ask("GET", `?limit=${PAGE_SIZE}${before && `&before=${encodeURIComponent(before)}`}`);
    } catch (error) {
      // It was forgotten meanwhile, and so was all that is older.
      if (before && error instanceof Refused && error.status === 404) return;
      throw error;
    }
    if (isOver()) return;
    onPage(said);
    if (said.calls.length < PAGE_SIZE) return;
    before = said.calls.at(-1).id;
  }
}

/** Rate a call. Gives how the rating stands; a repeated request rates once. */
export async function rate(id, said) {
  const headers = { "Idempotency-Key": randomKey() };
  const path = `/${encodeURIComponent(id)}?wait=queued&hold=${HOLD}`;
  const body = { ...said, source: "page" };
  try {
    return await ask("POST", path, body, headers);
  } catch (error) {
    if (error instanceof Refused) throw error;
    await new Promise((resolve) => setTimeout(resolve, 1000));
    return await ask("POST", path, body, headers);
  }
}

/** Take a rating back. Gives the sentence, and what `stands` now. */
export function takeBack(id) {
  return ask("DELETE", `/${encodeURIComponent(id)}`);
}

/** How the rating of a call stands now; null for none. */
export async function ratingOf(id) {
  return (await ask("GET", `/${encodeURIComponent(id)}`)).rating;
}

/** Compare versions; `signal` ends it. */
export function compare(query, signal) {
  return ask("GET", `/compare?${query}`, undefined, {}, signal);
}

/** Whether the sidecar wants a token that this browser has not said. */
export async function isSignedOut() {
  try {
    await ask("GET", "?limit=1");
  } catch (error) {
    return error instanceof Refused && error.status === 401;
  }
  return false;
}

// crypto.randomUUID is there in secure contexts only: not on a network without TLS.
function randomKey() {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (each) => each.toString(16).padStart(2, "0")).join("");
}
