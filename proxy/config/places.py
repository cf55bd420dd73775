"""What settings are called by whoever gave them: the file, a variable, a flag."""

from collections.abc import Mapping


class Places:
    """What the settings of routes are called. `names`: what each given key is called by its source."""

    def __init__(self, names: Mapping[str, str]) -> None:
        self._names = names

    def of(self, route: str, *settings: str) -> str:
        """The first of these settings of a route that was given, else whatever of it was."""
        key = f"routes.{route}"
        for each in settings:
            if f"{key}.{each}" in self._names:
                return self._names[f"{key}.{each}"]
        given = (name for each, name in self._names.items() if each == key or each.startswith(f"{key}."))
        return self._names.get(key) or next(given, key)
