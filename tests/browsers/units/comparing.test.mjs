// What is compared, as the page asks for it and writes it, run by Node: tests/browsers/test_units.py.

import assert from "node:assert/strict";
import { test } from "node:test";

const load = (name) => import(`${process.env.PAGE}/${name}.js`);
const comparing = await load("comparing");
const { addressOf, filtersFrom, isFiltering, isMeant, propertiesOf } = await load("filters");

const call = (properties) => ({ properties });

test("what calls can be told apart by is offered, properties first", () => {
  const calls = [call({ "prompt-version": "A", app: "shop" }), call({ "feedback-comment": "x" }), {}];
  assert.deepEqual(comparing.offered(calls, 50), ["property.app", "property.prompt-version", "model", "user", "route"]);
  assert.deepEqual(comparing.offered([], 50), ["model", "user", "route"]);
  assert.equal(comparing.byInWords("property.app"), "app");
  assert.equal(comparing.byInWords("model"), "model");
});

test("where nobody has said by what, it is the version of the prompt, or what is not filtered by", () => {
  const values = ["property.app", "property.experiment", "model", "user", "route"];
  assert.equal(comparing.usualBy([...values, "property.prompt-version"], {}), "property.prompt-version");
  assert.equal(comparing.usualBy(values, {}), "property.app");
  assert.equal(comparing.usualBy(values, { property: "app=shop" }), "property.experiment");
  assert.equal(comparing.usualBy(["model", "user"], {}), "model");
});

test("the filters say of which calls, but for their rating", () => {
  const filters = { model: "gpt-4o", session: "s 1", user: "ann", property: "app=a&b=c", rated: "up" };
  const query = new URLSearchParams(comparing.queryOf("property.x", "7d", filters));
  assert.deepEqual(query.getAll("where"), ["model=gpt-4o", "session=s 1", "user=ann", "property.app=a&b=c"]);
  assert.deepEqual([query.get("by"), query.get("since"), query.has("rated")], ["property.x", "7d", false]);
  assert.equal(comparing.queryOf("model", "30d", {}), "by=model&since=30d");
});

test("figures are written shortly", () => {
  const variants = [{ scores: { b: {}, a: {} } }, { scores: { c: {}, a: {} } }];
  assert.deepEqual(comparing.scoresOf(variants), ["a", "b", "c"]);
  assert.equal(comparing.meanInWords({ mean: 4.256, number: 12 }), "4.26 of 12");
  assert.equal(comparing.meanInWords({ mean: 4, number: 1 }), "4 of 1");
  assert.equal(comparing.meanInWords(undefined), "");
  assert.equal(comparing.intervalInWords({ low: 0.6866, high: 0.8772 }), "69–88%");
  assert.equal(comparing.intervalInWords(null), "");
});

test("calls are filtered by a property, and the address keeps it and the comparison", () => {
  const calls = [call({ app: "shop=1", n: "2" }), call({ n: "3" }), {}];
  assert.deepEqual(propertiesOf(calls, 10), ["app=shop=1", "n=2", "n=3"]);
  assert.deepEqual(propertiesOf(calls, 2), ["app=shop=1", "n=2"]);
  assert.deepEqual(calls.map((each) => isMeant({ property: "app=shop=1" }, each)), [true, false, false]);
  const chosen = { property: "app=shop=1", compare: "property.n", since: "7d" };
  assert.deepEqual(filtersFrom(addressOf(chosen)), chosen);
  assert.equal(isFiltering(chosen), true);
  assert.equal(isFiltering({ compare: "model", since: "7d" }), false);
});
