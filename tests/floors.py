"""Prints the oldest versions that pyproject.toml allows, as constraints for pip: what `make floors` tests with."""

import re
import tomllib
from pathlib import Path

PROJECT = Path(__file__).parent.parent / "pyproject.toml"
_FLOOR = re.compile(r"([A-Za-z0-9_.-]+)>=([0-9.]+)")


def floors() -> list[str]:
    """One `name==version` for each dependency of the product."""
    dependencies = tomllib.loads(PROJECT.read_text())["project"]["dependencies"]
    found = [_FLOOR.match(dependency) for dependency in dependencies]
    if None in found:
        raise SystemExit("every dependency needs a floor: name>=version")
    return [f"{match[1]}=={match[2]}" for match in found if match is not None]


if __name__ == "__main__":
    print("\n".join(floors()))  # noqa: T201
