"""The invariants of ARCHITECTURE.md, kept.

The rules are in harness/rules.py; each reads a folder, and here is a small one for each that breaks it.
"""

import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from harness.rules import (
    ARCHITECTURE_LINES,
    BLIND,
    IMPORTS_IN_FUNCTIONS,
    LAYERS,
    LOGS_A_TRACE,
    RULES,
    TRACED,
    Rule,
    blind_excepts,
    catches_everything,
    clocks_and_dice,
    concrete_stores_named,
    cycles,
    demo_looks_into_the_product,
    errors_shown_whole,
    imports_in_functions,
    left_unnamed,
    local_names,
    module_state,
    product_looks_into_demo,
    relay_knows_too_much,
    shown_whole,
    sizes,
    spelled_names,
    stores_speak_http,
    tasks_without_owner,
    wrong_directions,
)
from harness.sources import Source, read_sources

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def product() -> list[Source]:
    """The sources of the package."""
    return read_sources(ROOT, "proxy")


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_the_product_keeps_the_rule(rule: Rule, product: list[Source]) -> None:
    assert len(product) > 40
    found = rule(product)
    assert not found, "\n".join([rule.__doc__ or "", *found])


def test_every_exception_from_a_rule_is_still_needed(product: list[Source]) -> None:
    blind = {(source.file, function) for source in product for _, function in catches_everything(source)}
    assert blind == set(BLIND)
    traced = {
        (source.file, function)
        for source in product
        for _, function, what in shown_whole(source)
        if what == LOGS_A_TRACE
    }
    assert traced == TRACED
    inner = {(source.file, each.target) for source in product for each in source.imports() if each.function}
    assert inner == IMPORTS_IN_FUNCTIONS
    layered = {entry for layer in LAYERS for entry in layer}
    packages = {f"{source.name}.*" for source in product if source.file.endswith("__init__.py")}
    assert layered <= {source.name for source in product} | packages


def test_architecture_md_is_short_and_names_every_module_and_folder() -> None:
    lines = (ROOT / "ARCHITECTURE.md").read_text("utf-8").count("\n")
    assert lines <= ARCHITECTURE_LINES
    assert left_unnamed(ROOT) == []


def test_no_tracked_file_names_a_machine_or_a_registry() -> None:
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if listed.returncode:
        pytest.skip("this is no git checkout, so there is no list of tracked files")
    files = [file for file in listed.stdout.splitlines() if (ROOT / file).is_file()]
    assert len(files) > 50
    found = local_names(ROOT, files)
    assert not found, "\n".join(found)


# --- the rules themselves -----------------------------------------------------------------------------------

Tree = Mapping[str, str]

FAILING: list[tuple[Rule, Tree, list[str]]] = [
    (wrong_directions, {"model.py": "import proxy.cli\n", "cli.py": ""}, ["proxy/model.py:1"]),
    (
        wrong_directions,
        {"relay/pool.py": "\nfrom ..web import health", "web/health.py": ""},
        ["proxy/relay/pool.py:2"],
    ),
    (
        wrong_directions,
        {"relay/headers.py": "from . import pool", "relay/pool.py": ""},
        ["proxy/relay/headers.py:1"],
    ),
    (wrong_directions, {"misc.py": ""}, ["proxy/misc.py:1"]),
    (
        cycles,
        {"a.py": "from proxy import b", "b.py": "from .c import x", "c.py": "import proxy.a"},
        ["proxy/a.py:1", "proxy/b.py:1", "proxy/c.py:1"],
    ),
    (
        cycles,
        {"a.py": "if TYPE_CHECKING:\n    import proxy.b", "b.py": "import proxy.a"},
        ["proxy/a.py:1", "proxy/b.py:1"],
    ),
    (imports_in_functions, {"a.py": "def f():\n    if x:\n        import json"}, ["proxy/a.py:3"]),
    (
        imports_in_functions,
        {"event_loop.py": "def f():\n    import uvloop\n    import ssl"},
        ["proxy/event_loop.py:3"],
    ),
    (
        demo_looks_into_the_product,
        {"demo/a.py": "from ..model import Call", "model.py": ""},
        ["proxy/demo/a.py:1"],
    ),
    (product_looks_into_demo, {"web/a.py": "from proxy.demo import StandIn"}, ["proxy/web/a.py:1"]),
    (
        concrete_stores_named,
        {"web/a.py": "from proxy.stores import memory", "stores/memory.py": ""},
        ["proxy/web/a.py:1"],
    ),
    (
        concrete_stores_named,
        {"calls/recorder.py": "from proxy.stores.memory import X", "stores/memory.py": ""},
        ["proxy/calls/recorder.py:1"],
    ),
    (
        relay_knows_too_much,
        {"relay/a.py": "import re\nimport aiohttp.web\nfrom pydantic import X"},
        ["proxy/relay/a.py:2", "proxy/relay/a.py:3"],
    ),
    (relay_knows_too_much, {"relay/a.py": "from proxy import guard", "guard.py": ""}, ["proxy/relay/a.py:1"]),
    (stores_speak_http, {"stores/a.py": "from aiohttp import web"}, ["proxy/stores/a.py:1"]),
    (spelled_names, {"a.py": "x = 1\nid = b'helicone-id'"}, ["proxy/a.py:2"]),
    (spelled_names, {"a.py": "id = f'Helicone-Auth: Bearer {key}'"}, ["proxy/a.py:1"]),
    (spelled_names, {"a.py": "url = f'{base}/v1/request/{id}'"}, ["proxy/a.py:1"]),
    (spelled_names, {"a.py": "url = 'https://api.HELICONE.ai'"}, ["proxy/a.py:1"]),
    (spelled_names, {"api_client.py": "url = f'{base}/v1/request/{id}/score'"}, ["proxy/api_client.py:1"]),
    (
        spelled_names,
        {"a.py": "raise X('Please look at https://helicone.ai and then try it once more.')"},
        ["proxy/a.py:1"],
    ),
    (spelled_names, {"a.py": "x = 'one two three four five six Helicone-Auth: Bearer'"}, ["proxy/a.py:1"]),
    (module_state, {"a.py": "seen = {}"}, ["proxy/a.py:1"]),
    (module_state, {"a.py": "TABLE: Mapping[str, str] = {'a': 'b'}"}, ["proxy/a.py:1"]),
    (module_state, {"a.py": "if x:\n    CACHE = collections.OrderedDict()"}, ["proxy/a.py:2"]),
    (module_state, {"a.py": "X = MappingProxyType({'a': []})"}, ["proxy/a.py:1"]),
    (module_state, {"a.py": "X = Head(b'', [])"}, ["proxy/a.py:1"]),
    (module_state, {"a.py": "X = {1} | frozenset({2})"}, ["proxy/a.py:1"]),
    (module_state, {"a.py": "class A:\n    seen = set()"}, ["proxy/a.py:2"]),
    (module_state, {"a.py": "def f():\n    global x\n    x = 1"}, ["proxy/a.py:2"]),
    (
        clocks_and_dice,
        {"calls/recorder.py": "def f():\n    return time.time() + random.random()"},
        ["proxy/calls/recorder.py:2", "proxy/calls/recorder.py:2"],
    ),
    (tasks_without_owner, {"web/a.py": "def f(loop):\n    loop.create_task(x())"}, ["proxy/web/a.py:2"]),
    (blind_excepts, {"a.py": "try:\n    f()\nexcept (OSError, Exception):\n    pass"}, ["proxy/a.py:3"]),
    (
        blind_excepts,
        {"calls/recorder.py": "def f():\n    try:\n        g()\n    except:\n        pass"},
        ["proxy/calls/recorder.py:4"],
    ),
    (blind_excepts, {"a.py": "with contextlib.suppress(BaseException):\n    f()"}, ["proxy/a.py:1"]),
    (
        errors_shown_whole,
        {
            "a.py": "try:\n    f()\nexcept OSError as why:\n    x = f'{why!r}'\n    y = repr(why)\nz = f'{x!r}'"
        },
        ["proxy/a.py:4", "proxy/a.py:5"],
    ),
    (errors_shown_whole, {"a.py": "logger.warning('it failed: %r', x)\nx = '%r'"}, ["proxy/a.py:1"]),
    (
        errors_shown_whole,
        {"a.py": "logger.exception('x')\nlog.error('x', exc_info=True)\ntraceback.format_exc()"},
        ["proxy/a.py:1", "proxy/a.py:2", "proxy/a.py:3"],
    ),
    (sizes, {"a.py": "x = 1\n" * 351}, ["proxy/a.py:1"]),
    (
        sizes,
        {"a.py": "\n".join(["def f(): pass"] * 20 + ["def g():"] + ["    x = 1"] * 60)},
        ["proxy/a.py:21"],
    ),
    (sizes, {"a.py": "\n".join(["def f(): pass"] * 8 + ["def g():"] + ["    x = 1"] * 30)}, ["proxy/a.py:9"]),
]

PASSING: list[tuple[Rule, Tree]] = [
    (wrong_directions, {"cli.py": "import proxy.model", "model.py": "import json"}),
    (cycles, {"a.py": "from proxy import b, c", "b.py": "import proxy.c", "c.py": ""}),
    (imports_in_functions, {"event_loop.py": "def f():\n    import uvloop"}),
    (
        concrete_stores_named,
        {"assembly.py": "import proxy.stores.memory", "calls/recorder.py": "import proxy.stores.contract"},
    ),
    (relay_knows_too_much, {"relay/a.py": "import httptools\nfrom . import b", "relay/b.py": ""}),
    (spelled_names, {"a.py": '"""It reads helicone-id."""\nx = 1  # helicone-id'}),
    (spelled_names, {"a.py": "x = 'helicone-proxy', 'helicone-feedback-proxy/1', 'helicone.api_key'"}),
    (
        spelled_names,
        {"a.py": "raise X('The app has to send its own Helicone-Auth, or no rating can leave.')"},
    ),
    (spelled_names, {"helicone.py": "ID = b'helicone-id'", "helicone_api.py": "x = '/v1/request/'"}),
    (
        module_state,
        {"a.py": "A = frozenset({1})\nB = MappingProxyType({1: (2,)})\nC = Callable[[int], list[int]]"},
    ),
    (
        module_state,
        {"a.py": "__all__ = ['a']\nclass B:\n    y = field(default_factory=list)"},
    ),
    (module_state, {"a.py": "def f():\n    seen = {}"}),
    (module_state, {"a.py": "A = frozenset({1})\nB = A | {2}"}),
    (
        clocks_and_dice,
        {"app.py": "now = time.time()", "calls/recorder.py": "def f(clock=time.time):\n    clock()"},
    ),
    (blind_excepts, {"a.py": "try:\n    f()\nexcept OSError:\n    pass"}),
    (
        errors_shown_whole,
        {"a.py": "try:\n    f()\nexcept OSError as e:\n    logger.info('%s: %s', e, type(e))"},
    ),
    (errors_shown_whole, {"web/answers.py": "def errors_as_sentences():\n    logger.exception('x')"}),
]


def tree(folder: Path, files: Tree) -> list[Source]:
    """A package of these files."""
    for name, text in {"__init__.py": "", **files}.items():
        file = folder / "proxy" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, "utf-8")
    return read_sources(folder, "proxy")


@pytest.mark.parametrize(("rule", "files", "lines"), FAILING)
def test_each_rule_can_fail(rule: Rule, files: Tree, lines: list[str], tmp_path: Path) -> None:
    found = rule(tree(tmp_path, files))
    assert sorted(":".join(each.split(":")[:2]) for each in found) == lines


@pytest.mark.parametrize(("rule", "files"), PASSING)
def test_a_rule_lets_pass_what_is_right(rule: Rule, files: Tree, tmp_path: Path) -> None:
    assert rule(tree(tmp_path, files)) == []


def test_every_rule_is_shown_a_tree_that_breaks_it() -> None:
    assert {rule for rule, _, _ in FAILING} == set(RULES)


def test_what_architecture_md_leaves_out_is_seen(tmp_path: Path) -> None:
    tree(tmp_path, {"app.py": "", "cli.py": "", "web/a.py": "", "relay/a.py": ""})
    (tmp_path / "ARCHITECTURE.md").write_text("`app.py`, `relay/`; cli.py and `proxy/web/`\n")
    assert left_unnamed(tmp_path) == [
        "ARCHITECTURE.md: does not name `cli.py`",
        "ARCHITECTURE.md: does not name `web/`",
    ]


def test_names_of_machines_and_registries_are_seen(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("/v1/work/x ~/home/x\n/ho" + "me/me/x\nhttps://py" + "pi.org/simple\n")
    (tmp_path / "b.png").write_bytes(b"\xff\xfe")
    found = local_names(tmp_path, ["a.txt", "b.png"])
    assert [each.rpartition(":")[0] for each in found] == ["a.txt:2", "a.txt:3"]
