"""constraints.txt holds what was tested, and nothing else; `make audit` says what it knows, and what not."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import audit
from constraints import asked_for

ROOT = Path(__file__).parent.parent
LINES = [
    line for line in (ROOT / "constraints.txt").read_text("utf-8").splitlines() if not line.startswith("#")
]


def test_a_line_is_a_name_a_version_and_at_most_a_marker() -> None:
    for line in LINES:
        assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*==[0-9][0-9a-z.]*( ; [a-z_]+ .*)?", line), line
        Requirement(line)
    names = [line.partition("==")[0] for line in LINES]
    assert names == sorted(set(names))


def test_the_product_itself_is_not_held() -> None:
    assert not [line for line in LINES if "helicone" in line]


@pytest.mark.parametrize("wanted", asked_for(), ids=str)
def test_every_requirement_has_a_pin_that_fulfils_it(wanted: Requirement) -> None:
    pins = {each.name: each for each in map(Requirement, LINES)}
    pin = pins[canonicalize_name(wanted.name)]
    (version,) = pin.specifier
    assert wanted.specifier.contains(version.version)
    assert pin.marker == wanted.marker


def test_the_makefile_installs_them_but_for_floors_and_benchmarks() -> None:
    makefile = (ROOT / "Makefile").read_text("utf-8")
    rules = dict(re.findall(r"^([^\s:#]+):[^=\n]*\n((?:\t.*\n)+)", makefile, re.MULTILINE))
    installing = {name for name, lines in rules.items() if re.search(r"pip install .*\$\(PINS\)", lines)}
    assert installing == {"$(VENV)/.app", "$(VENV)/.dev", "$(COMPILED)/.app", "$(COMPILED)/.test"}


# --- make audit ----------------------------------------------------------------------------------------------


def package(name: str, *vulnerabilities: str) -> dict[str, Any]:
    found = [{"id": each, "fix_versions": ["2.0"]} for each in vulnerabilities]
    return {"name": name, "version": "1.0", "vulns": found}


OURS = {"name": "helicone-feedback-proxy", "skip_reason": "distribution marked as editable"}
UNKNOWN = {"name": "a", "skip_reason": "Dependency not found"}


@pytest.mark.parametrize(
    ("packages", "status", "said"),
    [
        ([OURS, package("a")], 0, "1 packages were asked about, with 0 known vulnerabilities."),
        ([OURS, package("a", "CVE-1")], 1, "a 1.0: CVE-1, mended in 2.0"),
        ([OURS, package("a"), UNKNOWN | {"name": "b"}], 2, "Nothing is known of b."),
        ([OURS, UNKNOWN], 2, "knows none of the 1 packages"),
        ([], 2, "knows none of the 0 packages"),
        (None, 2, "could not be reached"),
    ],
)
def test_an_audit_is_well_only_if_every_package_was_asked_about(
    packages: list[dict[str, Any]] | None, status: int, said: str
) -> None:
    text = "Traceback" if packages is None else json.dumps({"dependencies": packages, "fixes": []})
    found, sentences = audit.verdict(text)
    assert found == status
    assert said in "\n".join(sentences)
