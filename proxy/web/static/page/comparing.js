// What is compared, and how it is asked for and written. Nothing here knows of a document.

const PLAIN = ["model", "user", "route"];
const PREFIX = "property.";
/** The property that people's own guides give versions of a prompt. */
const USUAL = `${PREFIX}prompt-version`;
/** What a rating says in words is kept as properties, too; by that nobody tells versions apart. */
const OF_RATINGS = "feedback-";

/** How far back, and the words for it. */
export const SINCE = { "1d": "1 day", "7d": "7 days", "30d": "30 days", "90d": "90 days" };
export const USUAL_SINCE = "30d";

/** By what calls can be told apart: the properties that they have, and what they always say. */
export function offered(calls, most) {
  const names = new Set();
  for (const call of calls) {
    for (const name of Object.keys(call.properties ?? {})) if (!name.startsWith(OF_RATINGS)) names.add(PREFIX + name);
    if (names.size >= most) break;
  }
  return [...[...names].sort(), ...PLAIN];
}

/** By what, where nobody has said it: versions of a prompt, else what has a property, else models. */
export function usualBy(values, filters) {
  if (values.includes(USUAL)) return USUAL;
  const filtered = PREFIX + (filters.property ?? "").split("=")[0];
  return values.find((each) => each.startsWith(PREFIX) && each !== filtered) ?? PLAIN[0];
}

/** The same as people read it. */
export function byInWords(by) {
  return by.startsWith(PREFIX) ? by.slice(PREFIX.length) : by;
}

/** The query that asks for it, of the calls that the filters mean. */
export function queryOf(by, since, filters) {
  const query = new URLSearchParams({ by, since });
  for (const each of whereOf(filters)) query.append("where", each);
  return query.toString();
}

/** What the filters ask of calls, but for their rating: that is what is compared. */
export function whereOf(filters) {
  const where = ["model", "session", "user"].filter((name) => filters[name]).map((name) => `${name}=${filters[name]}`);
  return filters.property ? [...where, PREFIX + filters.property] : where;
}

/** The names of all scores that are shown. */
export function scoresOf(variants) {
  return [...new Set(variants.flatMap((each) => Object.keys(each.scores)))].sort();
}

/** A mean, and of how many: `4.25 of 12`. */
export function meanInWords(score) {
  return score ? `${Number(score.mean.toFixed(2))} of ${score.number}` : "";
}

/** Where a share is likely to be: `69–88%`. */
export function intervalInWords(interval) {
  return interval ? `${Math.round(100 * interval.low)}–${Math.round(100 * interval.high)}%` : "";
}
