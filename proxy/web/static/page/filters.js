// Which calls are shown, kept in the address behind the #, where no server sees it. Nothing here knows of a document.

const NAMES = ["model", "session", "user", "property", "rated"];
/** What the comparison is asked for, which the address keeps, too. */
const OF_COMPARISON = ["compare", "since"];

/** What `rated` may be, and the word for it. */
export const RATED = { yes: "rated", no: "not rated", up: "thumbs up", down: "thumbs down", open: "on their way", refused: "refused" };

const OPEN = new Set(["held", "queued", "paused", "accepted"]);

/** The filters that an address says: `#model=gpt-4o&rated=no`. What is not known is left out. */
export function filtersFrom(text) {
  const said = new URLSearchParams(text.replace(/^[#?]/, ""));
  const filters = {};
  for (const name of [...NAMES, ...OF_COMPARISON]) {
    const value = said.get(name);
    if (value && (name !== "rated" || Object.hasOwn(RATED, value))) filters[name] = value;
  }
  return filters;
}

/** The same as it stands in an address; "" for none. */
export function addressOf(filters) {
  const said = new URLSearchParams();
  for (const name of [...NAMES, ...OF_COMPARISON]) if (filters[name]) said.set(name, filters[name]);
  const text = said.toString();
  return text && `#${text}`;
}

/** Whether some calls are left out. */
export function isFiltering(filters) {
  return NAMES.some((name) => filters[name]);
}

/** Whether a call is one of those that are asked for, but for its rating. */
export function isMeant(filters, call) {
  return (
    (!filters.model || call.model === filters.model) &&
    (!filters.session || call.session === filters.session) &&
    (!filters.user || call.user === filters.user) &&
    (!filters.property || hasProperty(filters.property, call))
  );
}

/** Whether a call has a property, said as `name=value`. */
function hasProperty(said, call) {
  const [name, ...value] = said.split("=");
  return call.properties?.[name] === value.join("=");
}

/** The properties of calls as `name=value`, those of the newest calls first. */
export function propertiesOf(calls, most) {
  const found = new Set();
  for (const call of calls) {
    for (const [name, value] of Object.entries(call.properties ?? {})) found.add(`${name}=${value}`);
    if (found.size >= most) break;
  }
  return [...found].slice(0, most);
}

/** Whether its rating is as asked for. */
export function isRatedSo(filters, call) {
  const rating = call.rating;
  switch (filters.rated) {
    case undefined:
      return true;
    case "no":
      return !rating;
    case "yes":
      return !!rating;
    case "up":
      return rating?.rating === true;
    case "down":
      return rating?.rating === false;
    case "open":
      return !!rating && OPEN.has(rating.state);
    default:
      return rating?.state === filters.rated;
  }
}

/** The values that calls have of something, those of the newest calls first. */
export function valuesOf(name, calls, most) {
  const found = new Set();
  for (const call of calls) {
    if (call[name]) found.add(call[name]);
    if (found.size === most) break;
  }
  return [...found];
}
