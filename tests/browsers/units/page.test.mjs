// The parts of the page that know of no document, run by Node: tests/browsers/test_units.py.

import assert from "node:assert/strict";
import { test } from "node:test";

const PAGE = process.env.PAGE;
const load = (name) => import(`${PAGE}/${name}.js`);
const { CallBook, canTakeBack, whyNot } = await load("calls");
const { addressOf, filtersFrom, isMeant, isRatedSo, valuesOf } = await load("filters");
const { backOff, Feed } = await load("feed");
const { thumbsBy, thumbsOverTime } = await load("figures");
const { rowsSeen, scrolledTo } = await load("windows");
const words = await load("words");

const at = (second) => `2026-11-23T10:00:${String(second).padStart(2, "0")}.000+00:00`;
const call = (id, second, more = {}) => ({ id, started_at: at(second), state: "complete", rating: null, model: null, ...more });
const ids = (book) => [...book].map((each) => each.id);

test("calls stand in the order of their beginnings, the newest first, whoever tells of them", () => {
  const book = new CallBook();
  book.listed([call("c", 3), call("a", 1)]);
  book.told({ phase: "answered", call: call("b", 2) });
  book.told({ phase: "started", call: call("d", 4) });
  assert.deepEqual(ids(book), ["d", "c", "b", "a"]);
  assert.equal(whyNot(book.get("d")), "Its answer has not begun yet.");
  book.told({ phase: "answered", call: call("e", 4), was: "d" });
  assert.deepEqual(ids(book), ["e", "c", "b", "a"]);
  book.told({ phase: "ended", call: call("e", 4, { status: 200 }) });
  assert.equal(book.size, 4);
  assert.equal(book.get("e").status, 200);
});

test("what an event says is newer than a page of the list that was asked for before", () => {
  const book = new CallBook();
  book.listed([call("a", 1), call("b", 0)]);
  book.beginLoad();
  book.beginPage();
  book.rated("a", { state: "verified", rating: true });
  book.told({ phase: "answered", call: call("new", 9) });
  book.listed([call("a", 1)]);
  book.endLoad();
  // Another sidecar, or a newer state of it, does not know b; the new one came within the load.
  assert.deepEqual(ids(book), ["new", "a"]);
  assert.equal(book.get("a").rating.state, "verified");
});

test("no more calls are kept than the sidecar keeps", () => {
  const book = new CallBook();
  book.capacity = 2;
  for (let second = 0; second < 5; second += 1) book.told({ phase: "ended", call: call(`c${second}`, second) });
  assert.deepEqual(ids(book), ["c4", "c3"]);
  assert.equal(book.get("c0"), undefined);
});

test("a rating takes the place of what this page was doing; of an unknown call there is none", () => {
  const book = new CallBook();
  book.listed([call("a", 1)]);
  book.mark("a", { state: "sending", up: true });
  assert.equal(words.standing(book.get("a")).word, "Sending");
  book.listed([call("a", 1)]);
  assert.equal(words.standing(book.get("a")).word, "Sending");
  assert.equal(book.rated("a", { state: "held", rating: true }), true);
  assert.equal(words.standing(book.get("a")).word, "Held");
  assert.equal(book.rated("nobody", null), false);
});

test("only what has not left can be taken back", () => {
  assert.equal(canTakeBack(null), false);
  assert.equal(canTakeBack({ state: "held", attempts: 0 }), true);
  assert.equal(canTakeBack({ state: "queued", attempts: 1 }), false);
  assert.equal(canTakeBack({ state: "verified", attempts: 1 }), false);
  assert.equal(canTakeBack({ state: "queued", attempts: 0, accepted_at: at(1) }), false);
});

test("filters and addresses say the same", () => {
  const filters = { model: "a&b=c #?", session: "sé 1", rated: "no" };
  assert.deepEqual(filtersFrom(addressOf(filters)), filters);
  assert.deepEqual(filtersFrom("#rated=constructor&colour=red&model="), {});
  assert.deepEqual(filtersFrom("?session=x"), { session: "x" });
  assert.equal(addressOf({ model: "" }), "");
});

test("filters mean calls", () => {
  const rated = call("a", 1, { model: "m", session: "s", rating: { rating: false, state: "refused" } });
  assert.equal(isMeant({ model: "m", session: "s" }, rated), true);
  assert.equal(isMeant({ model: "other" }, rated), false);
  const holds = (rating, which = rated) => isRatedSo({ rated: rating }, which);
  assert.deepEqual(["yes", "no", "up", "down", "open", "refused"].map((each) => holds(each)), [true, false, false, true, false, true]);
  assert.equal(holds("no", call("b", 1)), true);
  assert.deepEqual(valuesOf("model", [call("b", 1), rated, rated], 10), ["m"]);
});

test("only rows that are seen are wanted, and few beyond", () => {
  assert.deepEqual(rowsSeen(0, 500, 50, 10_000), [0, 16]);
  assert.deepEqual(rowsSeen(250_000, 500, 50, 10_000), [4994, 5016]);
  assert.deepEqual(rowsSeen(499_500, 500, 50, 10_000), [9984, 10_000]);
  assert.deepEqual(rowsSeen(9_999, 500, 50, 3), [3, 3]);
  assert.equal(scrolledTo(3, 0, 500, 50), 0);
  assert.equal(scrolledTo(10, 0, 500, 50), 50);
  assert.equal(scrolledTo(1, 500, 500, 50), 50);
});

test("figures are summed up", () => {
  const thumbs = (model, second, rating) => call(`${model}${second}`, second, { model, rating: { rating } });
  const calls = [thumbs("a", 0, true), thumbs("a", 1, false), thumbs("b", 59, true), thumbs(null, 9, true), call("c", 5), thumbs("a", 2, null)];
  assert.deepEqual(thumbsBy("model", calls), [
    { name: "a", up: 1, down: 1 },
    { name: "b", up: 1, down: 0 },
    { name: "not said", up: 1, down: 0 },
  ]);
  const spans = thumbsOverTime(calls, 10);
  assert.equal(spans.reduce((sum, each) => sum + each.up + each.down, 0), 4);
  assert.ok(spans.length <= 10);
  assert.deepEqual(thumbsOverTime([], 10), []);
  const many = Array.from({ length: 8 }, (_, number) => thumbs(`m${number}`, number, true));
  assert.deepEqual(thumbsBy("model", many).map((each) => each.up), [1, 1, 1, 1, 4]);
});

test("figures are written shortly", () => {
  const said = [null, 0.2, 312.4, 999.6, 4_200, 12_340, 59_960, 125_000].map(words.duration);
  assert.deepEqual(said, ["–", "<1 ms", "312 ms", "1.00 s", "4.20 s", "12.3 s", "1 min 0 s", "2 min 5 s"]);
  assert.deepEqual([7, 1_234, 31_000, 2_500_000].map(words.short), ["7", "1.2k", "31k", "2.5M"]);
  assert.equal(words.tokens({ input: 12, output: null }), "12 → ?");
  assert.equal(words.tokensAloud(null), "tokens not said");
  assert.equal(words.percent(1, 0), "–");
  assert.deepEqual([[0, 9], [1, 999], [2, 3], [998, 999], [9, 9]].map(([part, all]) => words.percent(part, all)), ["0%", "1%", "67%", "99%", "100%"]);
});

// -- the stream

class Source {
  static all = [];
  listeners = {};
  isClosed = false;

  constructor(url) {
    this.url = url;
    Source.all.push(this);
  }

  addEventListener(kind, listener) {
    this.listeners[kind] = listener;
  }

  say(kind, data, lastEventId = "") {
    this.listeners[kind]({ data: JSON.stringify(data), lastEventId });
  }

  close() {
    this.isClosed = true;
  }
}

function feeding(isSignedOut = false) {
  Source.all = [];
  const said = [];
  const waiting = [];
  const note = (kind) => (data) => said.push([kind, data]);
  const on = { state: note("state"), ready: note("ready"), call: note("call"), rating: note("rating") };
  const later = (seconds, what) => {
    waiting.push({ seconds, what });
    return () => {};
  };
  const means = { makeSource: (url) => new Source(url), later, chance: () => 0.5, isSignedOut: async () => isSignedOut };
  return { feed: new Feed("/events", on, means), said, waiting };
}

test("a stream that ends is opened again, later each time, from where it ended", async () => {
  const { feed, said, waiting } = feeding();
  feed.open();
  Source.all[0].say("ready", { resumed: false });
  Source.all[0].say("rating", { id: "a" }, "x-7");
  Source.all[0].say("end", { code: "stopping" });
  assert.equal(Source.all[0].isClosed, true);
  await waiting[0].what();
  assert.equal(Source.all[1].url, "/events?last_event_id=x-7");
  for (let number = 1; number < 9; number += 1) {
    Source.all[number].say("error", null);
    await waiting[number].what();
  }
  const seconds = waiting.map((each) => each.seconds);
  assert.deepEqual(seconds, [0.25, 0.5, 1, 2, 4, 8, 8, 8, 8]);
  Source.all[9].say("ready", { resumed: true });
  Source.all[9].say("error", null);
  assert.equal(waiting[9].seconds, 0.25);
  assert.deepEqual(said.filter(([kind]) => kind === "ready").map(([, data]) => data.resumed), [false, true]);
  assert.ok(backOff(3, 0) < backOff(3, 1));
});

test("a page that is hidden holds no stream, and none comes back by itself", async () => {
  const { feed, said, waiting } = feeding();
  feed.open();
  Source.all[0].say("error", null);
  feed.close();
  await waiting[0].what();
  assert.equal(Source.all.length, 1);
  feed.open();
  feed.open();
  assert.equal(Source.all.length, 2);
  feed.close();
  assert.equal(Source.all[1].isClosed, true);
  assert.deepEqual(said.at(-1), ["state", "asleep"]);
});

test("where the session has ended nobody tries for ever", async () => {
  const { feed, said, waiting } = feeding(true);
  feed.open();
  Source.all[0].say("error", null);
  await waiting[0].what();
  assert.deepEqual(said.at(-1), ["state", "signed_out"]);
  assert.equal(Source.all.length, 1);
});
