// Two thumbs for an answer. How to embed and theme them, and the events they fire: README, "The widget".
(() => {
  const NAME = "helicone-feedback";
  const KNOWN = ["call", "token", "mode", "session", "user", "hold", "rating"];
  const DAY = 864e5;
  const AWAY = "Not sent: the sidecar cannot be reached. The rating is kept, and sent when it can be.";
  // An element of that name would hide document's own.
  const script = Reflect.get(Document.prototype, "currentScript", document);
  const home = script?.src && new URL(".", script.src).href.slice(0, -1);

  const define = () => {
    const elements = new Set();
    const newest = {}; // by place: the key of what was last said here
    const at = (place) => [...elements].filter((each) => each.place === place);
    const wait = (ms) => new Promise((done) => setTimeout(done, ms));

    // --- what is not sent yet: one entry for each call, in all tabs of this origin

    const memory = new Map();
    const read = (place) => {
      try {
        return JSON.parse(localStorage.getItem(place)) ?? memory.get(place);
      } catch {
        return memory.get(place);
      }
    };
    const forget = (place) => {
      memory.delete(place);
      try {
        localStorage.removeItem(place);
      } catch {} // not allowed here, so nothing is there
    };
    const keep = (place, entry) => {
      forget(place);
      // Any other token is nobody's to write down.
      const [, expiry] = /^v1\.(\d+)\.[\w.-]+$/.exec(entry.token ?? "") ?? [];
      if (expiry) entry.until = Math.min(entry.until, expiry * 1e3);
      try {
        if (entry.token && !expiry) throw 0;
        localStorage.setItem(place, JSON.stringify(entry));
      } catch {
        memory.set(place, entry);
      }
    };

    // --- sending

    const lines = {};
    const alone = (place, work) =>
      navigator.locks?.request(place, work) ?? (lines[place] = Promise.resolve(lines[place]).then(work));

    // What passes by itself, and what is no answer of the sidecar's, is "kept".
    const ask = async (place, { base, call, rating, comment, key, token, hold }, until, seconds) => {
      const isUndo = rating === null;
      const fresh = at(place)[0]?.getAttribute("token") ?? token;
      const headers = fresh ? { "Feedback-Token": fresh } : {};
      if (!isUndo) Object.assign(headers, { "Content-Type": "application/json", "Idempotency-Key": key });
      try {
        const query = isUndo ? "" : `?hold=${hold}&wait=${until}&timeout=${seconds}s`;
        const answer = await fetch(`${base}/${encodeURIComponent(call)}${query}`, {
          method: isUndo ? "DELETE" : "POST",
          headers,
          body: isUndo ? null : JSON.stringify({ rating, source: "widget", comment }),
          signal: AbortSignal.timeout(seconds * 1e3 + 1e4),
        });
        const { error, message, state, stands } = await answer.json();
        if (answer.ok && state) return { state, message, stands };
        if (isUndo && error.code === "unknown_rating") return { state: "withdrawn", message: error.message };
        const passes = error.code !== "helicone_rejected" && (answer.status > 499 || /408|429/.test(answer.status));
        return { state: passes ? "kept" : "failed", message: error.message };
      } catch {
        return { state: "kept", message: AWAY };
      }
    };

    const deliver = (place, again) => alone(place, async () => {
      const entry = read(place);
      if (!entry) return;
      const { key, rating, was } = entry;
      const said = again && Date.now() > entry.until
        ? { state: "failed", message: "It could not be sent in time." }
        : await ask(place, entry, "queued", 10);
      if (said.state === "kept") later();
      else if (read(place)?.key === key) forget(place);
      if ((newest[place] ??= key) !== key) return;
      const stands = said.state === "failed" ? was : rating ?? said.stands?.rating ?? null;
      tell(place, said, stands);
      if (!/kept|failed|withdrawn/.test(said.state)) {
        delay = 0;
        verify(place, entry, said.state, 1);
      }
    });

    // One request for all: a browser has six for each origin.
    let line = Promise.resolve();
    const verify = (place, entry, before, rounds) => (line = line.then(async () => {
      if (newest[place] !== entry.key || !at(place).length) return;
      const said = before === "verified" ? { state: before } : await ask(place, entry, "verified", 20);
      if (newest[place] !== entry.key || /withdrawn|superseded/.test(said.state)) return;
      if (/verified|failed/.test(said.state)) return tell(place, said, entry.rating);
      if (rounds < 20) wait(3e3 * rounds).then(() => verify(place, entry, "", rounds + 1));
    }));

    let delay = 0, timer;
    const later = () => {
      timer ??= setTimeout(flush, (delay = Math.min(delay * 2 || 4e3, 3e5)) * (1 - Math.random() / 2));
    };
    const flush = () => {
      timer = clearTimeout(timer);
      let places = [];
      try {
        places = Object.keys(localStorage);
      } catch {}
      places = [...places, ...memory.keys()].filter((each) => each.startsWith(`${NAME} `));
      for (const place of places) deliver(place, true);
    };
    addEventListener("online", () => ((delay = 0), flush()));

    const tell = (place, said, rating) => at(place).forEach((each) => each.told(said, rating));

    // --- what is seen

    const sheet = new CSSStyleSheet();
    sheet.replaceSync(`
      :host { display: inline-flex; align-items: center; gap: 4px; vertical-align: middle;
        color: var(--${NAME}-color, inherit); background: var(--${NAME}-background, none);
        border-radius: var(--${NAME}-radius, 8px); font: var(--${NAME}-font, 13px/1.4 system-ui, sans-serif) }
      :host([mode=last]) { position: fixed; inset: var(--${NAME}-inset, auto 16px 16px auto); z-index: 2147483000;
        color-scheme: light dark; color: var(--${NAME}-color, CanvasText); padding: 4px 10px;
        background: var(--${NAME}-background, Canvas); border: 1px solid; max-width: calc(100vw - 56px) }
      :host([hidden]), [hidden], span:first-child:empty { display: none !important }
      div, form { display: flex; flex-wrap: wrap; align-items: center; gap: 4px }
      button, input { font: inherit; color: inherit; background: none; border: 1px solid transparent;
        border-radius: inherit; padding: 5px; cursor: pointer }
      div, form { border-radius: inherit }
      input, form button { border-color: currentcolor; cursor: auto }
      :focus-visible { outline: 2px solid var(--${NAME}-focus, currentcolor) }
      svg { display: block; width: var(--${NAME}-size, 18px); height: var(--${NAME}-size, 18px);
        fill: none; stroke: currentcolor; stroke-width: 2; stroke-linejoin: round }
      [aria-pressed=true] svg { fill: currentcolor }
      .up[aria-pressed=true] { color: var(--${NAME}-up, light-dark(#08752f, #4ade80)) }
      .down[aria-pressed=true] { color: var(--${NAME}-down, light-dark(#b3261e, #ff9a8f)) }
      .down svg { rotate: 180deg }
      @media (prefers-reduced-motion: no-preference) {
        button { transition: color .15s, scale .15s }
        button:active { scale: .85 }
      }`);

    const make = (tag, attributes, ...children) => {
      const space = /svg|path/.test(tag) ? "2000/svg" : "1999/xhtml";
      const made = document.createElementNS(`http://www.w3.org/${space}`, tag);
      for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
      made.append(...children);
      return made;
    };

    class Feedback extends HTMLElement {
      static observedAttributes = ["call", "rating", "mode", "session", "user"];

      constructor() {
        super();
        const thumb = (name, words, up) => {
          const drawn = make("path", { d: "M7 11v10H3V11zl4-8a3 3 0 0 1 3 3v4h6l-2 11H7" });
          const icon = make("svg", { viewBox: "0 0 24 24", "aria-hidden": "true" }, drawn);
          const said = { type: "button", class: name, title: words, "aria-label": words, "aria-pressed": "false" };
          const button = make("button", said, icon);
          button.addEventListener("click", () => this.say(this.rating === up ? null : up));
          return button;
        };
        this.thumbs = [thumb("up", "Good answer", true), thumb("down", "Bad answer", false)];
        this.words = make("span", { role: "status" });
        const asked = "What was wrong?";
        this.field = make("input", { maxlength: 2000, placeholder: asked, "aria-label": `${asked} (optional)` });
        this.form = make("form", { hidden: "" }, this.field, make("button", {}, "Send"));
        this.form.addEventListener("submit", (event) => {
          event.preventDefault();
          const comment = this.field.value.trim();
          this.close();
          if (comment) this.say(false, comment);
        });
        this.form.addEventListener("keydown", ({ key }) => key === "Escape" && this.close());
        this.label = make("span", {});
        this.group = make("div", { role: "group" }, this.label, ...this.thumbs, this.form, this.words);
        const root = this.attachShadow({ mode: "open" });
        root.adoptedStyleSheets = [sheet];
        root.append(this.group);
        this.look = this.look.bind(this);
        this.watch = this.watch.bind(this);
        const left = () => this.newer && wait(0).then(this.look);
        for (const each of ["pointerleave", "focusout"]) this.addEventListener(each, left);
      }

      get base() {
        return this.getAttribute("base") ?? home;
      }

      get place() {
        return `${NAME} ${this.base} ${this.getAttribute("call")}`;
      }

      get floats() {
        return this.getAttribute("mode") === "last";
      }

      get rating() {
        return { up: true, down: false }[this.getAttribute("rating")] ?? null;
      }

      set rating(up) {
        if (up === null) this.removeAttribute("rating");
        else this.setAttribute("rating", up ? "up" : "down");
      }

      connectedCallback() {
        elements.add(this);
        this.group.setAttribute("role", this.floats ? "region" : "group");
        this.group.setAttribute("aria-label", this.floats ? "Rate the last answer" : "Rate this answer");
        if (!this.floats) return;
        this.hidden = !this.hasAttribute("call");
        addEventListener("focus", this.look);
        document.addEventListener("visibilitychange", this.watch);
        this.watch();
      }

      disconnectedCallback() {
        elements.delete(this);
        removeEventListener("focus", this.look);
        document.removeEventListener("visibilitychange", this.watch);
        this.unwatch?.();
      }

      attributeChangedCallback(name, before, now) {
        if (before === now) return;
        if (name === "rating") {
          this.thumbs.forEach((each, down) => each.setAttribute("aria-pressed", this.rating === !down));
        } else if (name === "call" && before) {
          this.rating = null;
          this.words.textContent = "";
          this.close();
        } else if (this.floats && this.isConnected) this.watch();
      }

      close() {
        if (this.form.matches(":focus-within")) this.thumbs[1].focus();
        this.form.hidden = true;
        this.field.value = "";
      }

      say(rating, comment) {
        const call = this.getAttribute("call");
        if (!call) return;
        const { base, place, rating: was } = this;
        const key = crypto.getRandomValues(new Uint32Array(4)).join("-");
        const hold = this.getAttribute("hold") ?? "5s";
        const token = this.getAttribute("token") ?? undefined;
        newest[place] = key;
        keep(place, { base, call, token, hold, rating, comment, was, key, until: Date.now() + DAY });
        tell(place, { state: "sending" }, rating);
        this.form.hidden = rating !== false || !!comment;
        deliver(place);
      }

      told({ state, message }, rating) {
        this.rating = rating;
        if (rating !== false) this.close();
        const words = { sending: "Sending …", verified: "Stored.", withdrawn: "Taken back." };
        this.words.textContent = words[state] ?? (/kept|failed/.test(state) ? message : "Thank you.");
        const name = state === "verified" ? state : /kept|failed/.test(state) ? "failed" : "sent";
        const detail = { call: this.getAttribute("call"), rating, state, message };
        if (state === "sending") return;
        this.dispatchEvent(new CustomEvent(`feedback-${name}`, { bubbles: true, composed: true, detail }));
        if (this.floats) this.look();
      }

      // --- the bar: the newest answer, but never another one than is read at the moment

      url(path) {
        const asked = ["session", "user"].filter((each) => this.hasAttribute(each));
        return `${this.base}/${path}?${new URLSearchParams(asked.map((each) => [each, this.getAttribute(each)]))}`;
      }

      async look() {
        if (document.hidden) return;
        const answer = await fetch(this.url("last")).catch(() => null);
        const found = answer?.ok && (await answer.json().catch(() => null));
        if (!found || !this.isConnected) return;
        const call = this.getAttribute("call");
        this.newer = found.id !== call && call && this.matches(":hover, :focus-within");
        this.label.textContent = this.newer
          ? "A newer answer has come. This is the one before:"
          : [found.model ?? "", new Date(found.started_at).toLocaleTimeString()].join(" ");
        if (this.newer || found.id === call) return;
        this.gap = 500;
        this.setAttribute("call", found.id);
        this.rating = found.rating?.rating ?? null;
        this.hidden = false;
      }

      watch() {
        this.unwatch?.();
        if (document.hidden) return;
        this.look();
        let timer;
        this.gap = 500;
        const soon = (gap) => {
          timer ??= setTimeout(() => this.look((timer = undefined)), gap);
        };
        const events = new EventSource(this.url("events"));
        for (const each of ["ready", "call"]) events.addEventListener(each, () => soon(200));
        // Without a stream: an answer changes the page. The longer nothing new comes, the rarer we look.
        const seen = new MutationObserver(() => {
          if (!timer) soon((this.gap = Math.min(this.gap * 2, 6e4)));
        });
        const nearer = () => {
          this.gap = 500;
          timer = clearTimeout(timer);
        };
        events.onerror = () => {
          if (events.readyState !== EventSource.CLOSED) return;
          seen.observe(document, { subtree: true, childList: true, characterData: true });
          for (const each of ["keydown", "pointerdown"]) addEventListener(each, nearer);
        };
        this.unwatch = () => {
          events.close();
          seen.disconnect();
          clearTimeout(timer);
          for (const each of ["keydown", "pointerdown"]) removeEventListener(each, nearer);
        };
      }
    }

    customElements.define(NAME, Feedback);
    flush();
  };

  if (!customElements.get(NAME)) define();
  const said = script?.dataset;
  if (!said || !(said.for || said.call || said.mode)) return;
  const element = document.createElement(NAME);
  for (const [name, value] of Object.entries({ base: home, call: said.for, ...said }))
    if (value !== undefined && (name === "base" || KNOWN.includes(name))) element.setAttribute(name, value);
  // Beside the body, which apps make anew.
  const float = () => document.querySelector(`${NAME}[mode=last]`) ?? document.documentElement.append(element);
  if (said.mode !== "last") script.after(element);
  else document.body ? float() : addEventListener("DOMContentLoaded", float);
})();
