"""Prints what is installed of all that pyproject.toml asks for, as constraints for pip: see `make constraints`.

No addresses and no hashes: which index packages come from is for whoever installs them to say.
"""

import tomllib
from collections.abc import Iterator
from importlib.metadata import distribution
from pathlib import Path
from typing import Final

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

PROJECT: Final = Path(__file__).parent.parent / "pyproject.toml"
GROUPS: Final = ("test", "lint")
"""Not those for benchmarks: they compare with what is the newest."""

HEAD: Final = """\
# The versions that the tests ran with, made by `make constraints`. The Makefile installs these, so that a clone
# gets what was tested. They were taken on Python 3.11; what only a newer one asks for is not held.
"""


def asked_for() -> list[Requirement]:
    """What the product, its extras and those groups name themselves."""
    document = tomllib.loads(PROJECT.read_text("utf-8"))
    extras = document["project"]["optional-dependencies"].values()
    groups = [document["dependency-groups"][name] for name in GROUPS]
    lines = [*document["project"]["dependencies"], *(each for part in (*extras, *groups) for each in part)]
    return [Requirement(line) for line in lines]


def applies(requirement: Requirement, extras: frozenset[str]) -> bool:
    """Whether somebody who wants these extras asks for it here."""
    marker = requirement.marker
    return marker is None or any(marker.evaluate({"extra": extra}) for extra in (*extras, ""))


def constraints() -> list[str]:
    """One `name==version` for each package, with a marker where only some Pythons ask for it."""
    markers = {canonicalize_name(each.name): each.marker for each in asked_for()}
    found: dict[str, str] = {}
    seen: set[tuple[str, frozenset[str]]] = set()

    def take(requirements: Iterator[Requirement], wanted: frozenset[str]) -> None:
        for each in requirements:
            name = canonicalize_name(each.name)
            extras = frozenset(each.extras)
            if not applies(each, wanted) or (name, extras) in seen:
                continue
            seen.add((name, extras))
            installed = distribution(each.name)
            marker = markers.get(name)
            found[name] = f"{name}=={installed.version}" + ("" if marker is None else f" ; {marker}")
            take(map(Requirement, installed.requires or ()), extras)

    take(iter(asked_for()), frozenset())
    return [found[name] for name in sorted(found)]


if __name__ == "__main__":
    print(HEAD + "\n".join(constraints()))  # noqa: T201
