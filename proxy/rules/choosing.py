"""Which rules judge a call: those whose conditions on the call itself hold, and that chance has drawn. Pure."""

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from proxy.config.rules import Rule
from proxy.rules.facts import Facts, FactsTest


class Chosen(NamedTuple):
    """Rules by their places: those that hold already, those that ask what the answer says, and the functions."""

    holding: list[int]
    texts: list[int]
    functions: list[int]


class Choosing:
    """Chooses rules for calls. `chance` gives numbers from 0 to below 1."""

    def __init__(self, rules: Sequence[Rule], chance: Callable[[], float]) -> None:
        self._rules = rules
        self._chance = chance
        self._tests = [(place, rule.sample, FactsTest(rule.when)) for place, rule in enumerate(rules)]
        self.needs_facts = any(
            rule.call is not None or not test.is_empty
            for rule, (_, _, test) in zip(rules, self._tests, strict=True)
        )
        """Whether anybody asks for what is known of a call."""
        is_drawn = any(rule.sample < 1.0 for rule in rules)
        # Of rules that ask for the text alone, each call gets all.
        self._always = None if self.needs_facts or is_drawn else self._sorted(range(len(rules)))

    def __repr__(self) -> str:
        return f"<Choosing among {len(self._rules)} rules>"

    def chosen(self, facts: Facts) -> Chosen:
        """The rules for a call of which that is known."""
        if self._always is not None:
            return self._always
        return self._sorted(
            place
            for place, sample, test in self._tests
            if test.why_not(facts) is None and (sample >= 1.0 or self._chance() < sample)
        )

    def _sorted(self, places: Iterable[int]) -> Chosen:
        chosen = Chosen([], [], [])
        for place in places:
            rule = self._rules[place]
            if not rule.needs_body:
                chosen.holding.append(place)
            elif rule.call is None:
                chosen.texts.append(place)
            else:
                chosen.functions.append(place)
        return chosen
