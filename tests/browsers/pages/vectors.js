// What a page can try at another server. Each function gives all that the page got to know: a list of texts.
// A vector that tells the page nothing gives an empty list; one that hangs is given up.
"use strict";

// Reached only by a hang.
const PATIENCE_MS = 10000;
const FORM = "text/plain";

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

// Everything of an answer that a script can see. `error` is what a failed fetch throws: it says nothing.
async function read(answering) {
  try {
    const answer = await answering;
    const seen = answer.status ? [`status ${answer.status}`] : [];
    for (const [name, value] of answer.headers) seen.push(`${name}: ${value}`);
    const text = await answer.text();
    return text ? [...seen, text] : seen;
  } catch (error) {
    return [];
  }
}

// What an element tells that loads something. `look` is asked once it has loaded.
function load(element, look) {
  return new Promise((resolve) => {
    element.onload = () => resolve(look());
    element.onerror = () => resolve([]);
    setTimeout(() => resolve([]), PATIENCE_MS);
    document.body.append(element);
  });
}

// What another window shows, as far as it lets us look: until it has a page of its own, that is ours and empty.
async function peek(look) {
  for (let waited = 0; waited < PATIENCE_MS; waited += 20) {
    await pause(20);
    try {
      const text = look().body.innerText;
      if (text) return [text];
    } catch (error) {
      return [];
    }
  }
  return [];
}

function post(url, body, target, holder = document) {
  const form = holder.createElement("form");
  Object.assign(form, { method: "POST", action: url, enctype: FORM, target });
  const field = holder.createElement("input");
  // As text/plain a field is written as `name=value`, so any text with `=` in it can be made.
  [field.name, field.value] = body.split(/=(.*)/s);
  form.append(field);
  holder.body.append(form);
  form.submit();
}

let windows = 0;

const VECTORS = {
  "fetch": (url) => read(fetch(url)),
  "fetch with cookies": (url) => read(fetch(url, { credentials: "include" })),
  "fetch no-cors": (url) => read(fetch(url, { mode: "no-cors", credentials: "include" })),
  "fetch POST text": (url, body) => read(fetch(url, { method: "POST", mode: "no-cors", body, credentials: "include" })),
  "fetch POST JSON": (url, body) =>
    read(fetch(url, { method: "POST", body, headers: { "Content-Type": "application/json" } })),
  "fetch POST JSON with cookies": (url, body) =>
    read(fetch(url, { method: "POST", body, headers: { "Content-Type": "application/json" }, credentials: "include" })),
  "fetch POST readable": (url, body) => read(fetch(url, { method: "POST", body })),
  "fetch DELETE": (url) => read(fetch(url, { method: "DELETE" })),
  "img": (url) => {
    const image = new Image();
    image.src = url;
    return load(image, () => [`${image.naturalWidth} x ${image.naturalHeight}`]);
  },
  "script": (url) => {
    const script = document.createElement("script");
    script.src = url;
    return load(script, () => [String(self.spoils)]);
  },
  "stylesheet": (url) => {
    const link = document.createElement("link");
    Object.assign(link, { rel: "stylesheet", href: url });
    return load(link, () => [getComputedStyle(document.documentElement).getPropertyValue("--spoils")]);
  },
  "iframe": (url) => {
    const frame = document.createElement("iframe");
    frame.src = url;
    document.body.append(frame);
    return peek(() => frame.contentDocument ?? blocked());
  },
  "EventSource": (url) =>
    new Promise((resolve) => {
      const source = new EventSource(url, { withCredentials: true });
      const seen = [];
      const end = () => (source.close(), resolve(seen));
      source.onopen = () => seen.push("open");
      source.onmessage = (event) => (seen.push(event.data), end());
      source.onerror = end;
      setTimeout(end, PATIENCE_MS);
    }),
  "WebSocket": (url) =>
    new Promise((resolve) => {
      const socket = new WebSocket(url.replace(/^http/, "ws"), ["realtime", "openai-insecure-api-key.sk-x"]);
      const seen = [];
      const end = () => (socket.close(), resolve(seen));
      socket.onopen = () => seen.push("open");
      socket.onmessage = (event) => (seen.push(event.data), end());
      socket.onclose = end;
      setTimeout(end, PATIENCE_MS);
    }),
  "sendBeacon": async (url, body) => {
    navigator.sendBeacon(url, body);
    return [];
  },
  "form": (url, body) => {
    const opened = window.open("about:blank", `window${(windows += 1)}`);
    post(url, body, `window${windows}`);
    return peek(() => opened.document);
  },
  "form in a sandboxed iframe": async (url, body) => {
    const frame = document.createElement("iframe");
    frame.sandbox = "allow-scripts allow-forms";
    frame.srcdoc = `<body><script>${post}; const FORM = "${FORM}"; post(${JSON.stringify(url)}, ${JSON.stringify(body)}, "_self")<\/script>`;
    document.body.append(frame);
    return peek(() => frame.contentDocument ?? blocked());
  },
  "navigation": (url) => {
    const opened = window.open(url);
    return peek(() => opened.document);
  },
};

function blocked() {
  throw new Error("another origin's");
}

// The browser's own notes on what it loaded: of other origins they have to say nothing.
function measured(urls) {
  return performance
    .getEntriesByType("resource")
    .filter((each) => urls.includes(each.name) && (each.responseStatus || each.encodedBodySize))
    .map((each) => `${each.responseStatus}, ${each.encodedBodySize} bytes`);
}

// Try one vector at all targets, [url, body]. Gives what was seen, target by target, and at the end all in all.
async function attack([name, targets]) {
  const seen = await Promise.all(targets.map(([url, body]) => VECTORS[name](url, body)));
  return [...seen, measured(targets.map(([url]) => url))];
}
