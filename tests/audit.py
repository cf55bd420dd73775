"""Asks for known vulnerabilities of all that is installed: see `make audit`. Exits with 0 only if there are none.

`audit.py PIP_AUDIT FOLDER`: the program that asks, and the folder of packages. pip-audit calls a package that it
could not ask about "skipped", and all is well to it even if that is every one.
"""

import json
import subprocess
import sys
from typing import Any

FOUND, NOT_ASKED = 1, 2


def verdict(said: str) -> tuple[int, list[str]]:
    """What comes of pip-audit's JSON: an exit status, and sentences."""
    try:
        packages: list[dict[str, Any]] = json.loads(said)["dependencies"]
    except (ValueError, KeyError, TypeError):
        return NOT_ASKED, [
            "The advisory service could not be reached from here: nothing is known of any package."
        ]
    asked = [each for each in packages if "vulns" in each]
    left = [each["name"] for each in packages if "editable" not in each.get("skip_reason", "editable")]
    if not asked:
        return NOT_ASKED, [
            f"The advisory service that can be reached from here knows none of the {len(left)} packages."
        ]
    wrong = [
        f"{each['name']} {each['version']}: {vulnerability['id']}, mended in "
        f"{', '.join(vulnerability['fix_versions']) or 'no version yet'}"
        for each in asked
        for vulnerability in each["vulns"]
    ]
    sentences = [*wrong, f"{len(asked)} packages were asked about, with {len(wrong)} known vulnerabilities."]
    if left:
        sentences.append(f"Nothing is known of {', '.join(left)}.")
    return FOUND if wrong else NOT_ASKED if left else 0, sentences


def main(program: str, folder: str) -> int:
    """Ask, and tell."""
    command = [program, "--path", folder, "--skip-editable", "--format", "json", "--progress-spinner", "off"]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False)
    status, sentences = verdict(done.stdout.decode("utf-8", "replace"))
    print("\n".join(sentences))  # noqa: T201
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2]))
