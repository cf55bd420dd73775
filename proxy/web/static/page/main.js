// Joins the parts of the page.

import { isSignedOut, loadCalls, rate, ratingOf, Refused, takeBack } from "./api.js";
import { CallBook, canTakeBack, whyNot } from "./calls.js";
import { Comparison } from "./comparison.js";
import { CommentDialog, showDetails } from "./dialogs.js";
import { say } from "./dom.js";
import { Feed } from "./feed.js";
import { FilterBar } from "./filter_bar.js";
import { isFiltering, isMeant, isRatedSo } from "./filters.js";
import { listenToKeys } from "./keys.js";
import { countInWords, List } from "./list.js";
import { Summary } from "./summary.js";
import { nameOf, standing, thumb } from "./words.js";

const SAID_SECONDS = 8;

const CONNECTION = {
  connecting: "Connecting …",
  live: "Live",
  waiting: "The sidecar cannot be reached; trying again …",
  asleep: "Asleep while hidden",
  signed_out: "Signed out",
};

const $ = (id) => document.getElementById(id);
const book = new CallBook();
let loads = 0; // the number of the newest load: an older one ends
let isLoading = false;
let hasLoaded = false;
let hasBeenLost = false;

// -- what is said

let saidUntil = null;

/** Say what happened, to eyes and ears. */
function tell(text, kind = "") {
  const line = $("said");
  clearTimeout(saidUntil);
  line.dataset.kind = kind;
  // The same words again are news, too.
  say(line, line.textContent === text ? `${text}\u00a0` : text);
  saidUntil = setTimeout(() => say(line, ""), SAID_SECONDS * 1000);
}

/** The last rating that each call was told of, so that each state is said once. */
const heard = new Map();

function tellRating(id, rating) {
  const call = book.get(id);
  const key = rating && `${rating.state} ${rating.rating}`;
  if (call === undefined || heard.get(id) === key) return;
  const isOurs = heard.has(id);
  heard.set(id, key);
  if (!isOurs || !rating || rating.state === "held" || rating.state === "queued") return;
  const { word, detail } = standing(call);
  tell(`${thumb(rating.rating)} for ${nameOf(call)}: ${word.toLowerCase()}. ${detail}`, rating.state);
}

// -- drawing: once per frame, however much happens

const list = new List($("grid"), () => refresh());
const summary = new Summary($("summary"));
const comparison = new Comparison($("comparison"), book, (chosen) => bar.change(chosen));
let isDue = false;
let summedUpAt = 0;
let summingUp = null;

function refresh() {
  if (isDue) return;
  isDue = true;
  // A hidden page gets no frames, and needs none.
  requestAnimationFrame(draw);
}

function draw() {
  isDue = false;
  const kept = list.hasFocus ? list.activeId : null;
  const meant = [];
  const shown = [];
  for (const call of book) {
    if (!isMeant(bar.filters, call)) continue;
    meant.push(call);
    // The call that somebody is about to rate must not vanish by it.
    if (isRatedSo(bar.filters, call) || call.id === kept) shown.push(call);
  }
  list.show(shown);
  // Until the list has been asked for, nobody knows that there are none.
  const isMoreToCome = isLoading || loads === 0;
  countInWords($("count"), shown.length, book.size, isMoreToCome);
  $("empty").hidden = shown.length > 0 || (isMoreToCome && !book.size);
  say($("empty-words"), book.size ? "No call is as the filters ask." : "No call has come yet.");
  $("empty-hint").hidden = book.size > 0;
  $("clear").hidden = !isFiltering(bar.filters);
  sumUp(meant);
}

function sumUp(meant) {
  clearTimeout(summingUp);
  const wait = summedUpAt + 500 - performance.now();
  if (wait > 0) {
    summingUp = setTimeout(refresh, wait);
    return;
  }
  summedUpAt = performance.now();
  summary.show(meant);
  bar.offer();
  comparison.offer();
}

// -- filters

const bar = new FilterBar(document.querySelector(".filters"), book, () => {
  $("grid").scrollTop = 0;
  comparison.show(bar.filters);
  refresh();
});

// -- the list, and what happens meanwhile

async function load() {
  const number = ++loads;
  const isOver = () => number !== loads;
  isLoading = true;
  book.beginLoad();
  try {
    await loadCalls(
      () => book.beginPage(),
      (page) => {
        book.capacity = page.capacity;
        book.listed(page.calls);
        $("previews").hidden = !page.preview;
        document.body.classList.toggle("with-previews", !!page.preview);
        refresh();
      },
      isOver,
    );
    if (isOver()) return;
    book.endLoad();
    hasLoaded = true;
  } catch (error) {
    if (isOver()) return;
    if (!(error instanceof Refused)) return; // It is gone; the stream says so, and a new one loads again.
    tell(error.message, "refused");
  } finally {
    if (!isOver()) {
      isLoading = false;
      list.measure();
      refresh();
    }
  }
}

const feed = new Feed(
  "/feedback/events",
  {
    state(word) {
      document.body.dataset.connection = word;
      say($("connection"), CONNECTION[word]);
      $("signed-out").hidden = word !== "signed_out";
      if (word === "waiting") {
        if (!hasBeenLost && hasLoaded) tell("The connection to the sidecar is lost; trying again.", "failed");
        hasBeenLost = true;
        // Without its stream the page is a list all the same.
        if (!hasLoaded && !isLoading) load();
      }
    },
    ready({ resumed }) {
      if (hasBeenLost) tell("Connected again.", "verified");
      hasBeenLost = false;
      if (!resumed || !hasLoaded) load();
    },
    call(told) {
      book.told(told);
      refresh();
    },
    rating({ id, rating }) {
      if (!book.rated(id, rating)) return;
      tellRating(id, rating);
      refresh();
    },
  },
  {
    makeSource: (url) => new EventSource(url),
    later(seconds, what) {
      const timer = setTimeout(what, seconds * 1000);
      return () => clearTimeout(timer);
    },
    chance: Math.random,
    isSignedOut,
  },
);

// -- rating

/** Do `work` about a call; `doing` is what is shown meanwhile. */
async function changing(call, doing, work) {
  book.mark(call.id, doing);
  refresh();
  try {
    await work();
  } catch (error) {
    const message = error instanceof Refused ? error.message : "The sidecar cannot be reached; nothing was sent.";
    book.mark(call.id, { state: "failed", message });
    tell(message, "refused");
  }
  refresh();
}

function give(call, said) {
  const why = whyNot(call);
  if (why !== null) return tell(`It cannot be rated: ${why}`, "refused");
  heard.set(call.id, null);
  const up = said.rating ?? call.rating?.rating ?? null;
  return changing(call, { state: "sending", up }, async () => {
    const answer = await rate(call.id, said);
    // The stream may have said more by now.
    if (book.get(call.id)?.local) {
      const { rated, message, ...rating } = answer;
      book.rated(call.id, { ...rating, rating: rating.rating ?? null });
    }
    const what = said.comment ? "Comment" : thumb(said.rating);
    tell(`${what} for ${nameOf(call)}. It can be taken back for a moment (x).`, "held");
  });
}

function undo(call) {
  if (!call.rating) return tell("There is no rating to take back.");
  if (!canTakeBack(call.rating)) {
    return tell("It has left already: Helicone cannot remove a rating, only change it. Rate it the other way.", "refused");
  }
  return changing(call, undefined, async () => {
    try {
      await takeBack(call.id);
      tell(`Taken back: ${nameOf(call)}.`);
    } finally {
      const rating = await ratingOf(call.id);
      heard.set(call.id, rating && `${rating.state} ${rating.rating}`);
      book.rated(call.id, rating);
    }
  });
}

const commenting = new CommentDialog($("comment"), (call, said) => give(book.get(call.id) ?? call, said));
$("comment").addEventListener("close", () => list.focus());
$("details").addEventListener("close", () => list.focus());

const ACTIONS = {
  up: (call) => give(call, { rating: true }),
  down: (call) => give(call, { rating: false }),
  comment(call) {
    const why = whyNot(call);
    if (why === null) commenting.open(call);
    else tell(`It cannot be rated: ${why}`, "refused");
  },
  undo,
  details: (call) => showDetails($("details"), call),
};

const MOVES = {
  next: () => list.move(1),
  previous: () => list.move(-1),
  pageDown: () => list.move(list.page),
  pageUp: () => list.move(-list.page),
  first: () => list.move(-Infinity),
  last: () => list.move(Infinity),
  list: () => list.focus(),
  filter: () => $("model").focus(),
  help: () => $("help").showModal(),
};

listenToKeys(
  (word) => {
    if (MOVES[word]) return MOVES[word]();
    const call = book.get(list.activeId);
    if (call === undefined) return tell("No call is chosen: j chooses one.");
    return ACTIONS[word](call);
  },
  () => list.hasFocus,
);

$("grid").addEventListener("click", (event) => {
  const row = event.target.closest("[data-id]");
  if (row === null) return;
  const button = event.target.closest("[data-do]");
  const call = book.get(row.dataset.id);
  if (button !== null && call !== undefined) ACTIONS[button.dataset.do](call);
  else if (!String(getSelection())) row.focus({ preventScroll: true });
});

$("show-help").addEventListener("click", () => $("help").showModal());
for (const dialog of document.querySelectorAll("dialog")) {
  for (const each of dialog.querySelectorAll("[data-close]")) each.addEventListener("click", () => dialog.close());
}
$("sign-in-again").addEventListener("click", () => location.reload());

// -- beginning

document.addEventListener("visibilitychange", () => {
  if (document.hidden) feed.close();
  else feed.open();
});
$("summary").open = matchMedia("(min-width: 700px) and (min-height: 600px)").matches;
bar.show();
if (document.hidden) feed.close();
else feed.open();
