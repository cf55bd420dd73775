// The filters above the list: what is offered, and what is chosen, which the address keeps.

import { h, say } from "./dom.js";
import { addressOf, filtersFrom, propertiesOf, valuesOf } from "./filters.js";

const MOST_VALUES = 100;

export class FilterBar {
  #calls;
  #onChange;
  /** What is asked of calls. */
  filters = filtersFrom(location.hash || location.search);

  /** `calls`: those that values are offered from; `onChange()`: something else is asked. */
  constructor(bar, calls, onChange) {
    this.#calls = calls;
    this.#onChange = onChange;
    const $ = (id) => bar.querySelector(`#${id}`);
    [this.model, this.property, this.session, this.rated] = ["model", "property", "session", "rated"].map($);
    [this.sessions, this.onlyUser, this.onlyUserName, this.clear] = ["sessions", "only-user", "only-user-name", "clear"].map($);
    this.ofProperty = this.property.closest("label");
    this.model.addEventListener("change", () => this.change({ model: this.model.value }));
    this.property.addEventListener("change", () => this.change({ property: this.property.value }));
    this.session.addEventListener("input", () => this.change({ session: this.session.value.trim() }));
    this.rated.addEventListener("change", () => this.change({ rated: this.rated.value }));
    this.clear.addEventListener("click", () => {
      this.change({ model: "", property: "", session: "", user: "", rated: "" });
      this.model.focus();
    });
    window.addEventListener("hashchange", () => {
      this.filters = filtersFrom(location.hash);
      this.show();
    });
  }

  /** Ask for something else. */
  change(changed) {
    this.filters = Object.fromEntries(Object.entries({ ...this.filters, ...changed }).filter(([, value]) => value));
    history.replaceState(null, "", location.pathname + addressOf(this.filters));
    this.show();
  }

  /** Show what is asked. */
  show() {
    this.offer();
    this.session.value = this.filters.session ?? "";
    this.rated.value = this.filters.rated ?? "";
    this.onlyUser.hidden = !this.filters.user;
    say(this.onlyUserName, this.filters.user ?? "");
    this.#onChange();
  }

  /** Offer the values that calls have by now. */
  offer() {
    this.#offer(this.model, "model", "All models", valuesOf("model", this.#calls, MOST_VALUES));
    this.#offer(this.property, "property", "Any", propertiesOf(this.#calls, MOST_VALUES));
    this.ofProperty.hidden = this.property.options.length < 2;
    const sessions = valuesOf("session", this.#calls, MOST_VALUES);
    const key = sessions.join("\n");
    if (this.sessions.dataset.values === key) return;
    this.sessions.dataset.values = key;
    this.sessions.replaceChildren(...sessions.map((value) => h("option", { value })));
  }

  #offer(select, name, everything, values) {
    if (document.activeElement === select) return;
    const chosen = this.filters[name];
    if (chosen && !values.includes(chosen)) values.push(chosen);
    values.sort();
    const key = values.join("\n");
    if (select.dataset.values !== key) {
      select.dataset.values = key;
      select.replaceChildren(h("option", { value: "" }, everything), ...values.map((value) => h("option", { value }, value)));
    }
    select.value = chosen ?? "";
  }
}
