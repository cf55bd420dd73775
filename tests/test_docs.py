"""README and its companions cannot lag: what they promise is looked up in the code, or run."""

import json
import os
import re
import shutil
import socket
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import click
import pytest

from harness.benches import Bench, StartBench
from harness.loops import DEADLINE_SECONDS
from proxy.cli import LazyCommand, main
from proxy.config.rule_problems import describe_rules
from proxy.config.settings import describe_settings

ROOT = Path(__file__).parent.parent
README = ROOT / "README.md"
DOCUMENTS = tuple(
    ROOT / name
    for name in ("README.md", "SECURITY.md", "ARCHITECTURE.md", "CHANGELOG.md", "examples/README.md")
)
PORT = "8747"

_FENCE = re.compile(
    r"(?P<mark><!-- tested -->\n)?^```(?P<language>\w*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL
)
_SPAN = re.compile(r"`([^`\n]+)`")
_LINK = re.compile(r"(?<!!)\[[^\]]+\]\(([^)\s]+)\)")
_PLACEHOLDER = re.compile(r"\b(TODO|FIXME|TBD|XXX|FIGURES|COSTS|LOREM)\b")


def named(document: Path) -> str:
    """What a document is called here: two are README.md."""
    return str(document.relative_to(ROOT))


@dataclass(frozen=True)
class Fence:
    """A fenced block. `line` is that of its first line."""

    language: str
    text: str
    line: int
    tested: bool


def fences(markdown: str) -> list[Fence]:
    """The fenced blocks of a document."""
    return [
        Fence(
            match["language"],
            match["text"],
            markdown.count("\n", 0, match.start("text")) + 1,
            match["mark"] is not None,
        )
        for match in _FENCE.finditer(markdown)
    ]


def snippets(markdown: str) -> list[str]:
    """What stands in a document as code: each span, and each line of each block of shell commands."""
    lines = [
        line.partition(" # ")[0].strip()
        for fence in fences(markdown)
        if fence.language in ("sh", "bash", "console")
        for line in fence.text.replace("\\\n", " ").splitlines()
    ]
    return lines + _SPAN.findall(_FENCE.sub("", markdown))


# --- settings -----------------------------------------------------------------------------------------------


def settings_rows(markdown: str) -> list[list[str]]:
    """The rows of the table between the markers, without its head."""
    found = re.findall(r"^<!-- settings -->\n(.*?)^<!-- /settings -->$", markdown, re.MULTILINE | re.DOTALL)
    assert len(found) == 1, "README needs one table between <!-- settings --> and <!-- /settings -->"
    rows = [
        [cell.strip().replace("\\|", "|") for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
        for line in found[0].splitlines()
        if line.startswith("|")
    ]
    assert rows[0] == ["Setting", "Environment", "Default", "What it does"]
    assert all(set(cell) <= {"-", ":"} for cell in rows[1])
    return rows[2:]


def test_the_readmes_table_of_settings_is_the_codes() -> None:
    expected = [
        [
            f"`{doc.key}`",
            f"`{doc.environment}`",
            "" if doc.default is None else f"`{json.dumps(doc.default)}`",
            doc.sentence,
        ]
        for doc in describe_settings()
    ]
    right = "\n".join("| {} | {} | {} | {} |".format(*row) for row in expected)
    assert settings_rows(README.read_text("utf-8")) == expected, f"it should be\n{right}"


def test_the_readmes_table_of_what_a_rule_can_have_is_the_codes() -> None:
    [table] = re.findall(
        r"^<!-- rules -->\n(.*?)^<!-- /rules -->$", README.read_text("utf-8"), re.MULTILINE | re.DOTALL
    )
    expected = [f"| `{key}` | {kind} | {sentence} |" for key, kind, sentence in describe_rules()]
    assert table.splitlines()[2:] == expected


# --- codes --------------------------------------------------------------------------------------------------


def test_the_codes_that_the_readme_explains_are_the_products() -> None:
    [table] = re.findall(
        r"^<!-- codes -->\n(.*?)^<!-- /codes -->$", README.read_text("utf-8"), re.MULTILINE | re.DOTALL
    )
    rows = [line.split("|") for line in table.splitlines()[2:]]
    sources = "".join(file.read_text("utf-8") for file in (ROOT / "proxy").rglob("*.py"))
    codes = [code for row in rows for code in _SPAN.findall(row[1])]
    assert len(codes) > len(rows) > 5
    assert [code for code in codes if f'"{code}"' not in sources] == []


# --- commands -----------------------------------------------------------------------------------------------

_COMMAND = re.compile(r"(?:\S+=\S+\s+)*(?:\S*/)?helicone-proxy(?:\s+(?P<rest>.*))?")
_OPTION = re.compile(r"(?<!\S)(--?[a-z][a-z-]*)")


def unknown_commands(markdown: str) -> list[str]:
    """Snippets with a command or an option of `helicone-proxy` that click does not know.

    A snippet that begins with an option may mean any command.
    """
    assert isinstance(main, click.Group)
    everywhere = set().union(*map(options_of, [main, *main.commands.values()]))
    found = []
    for snippet in snippets(markdown):
        if snippet.startswith("--helicone-feedback-"):
            # The widget's custom properties, which web/test_widget.py looks at.
            continue
        if snippet.startswith("--"):
            known, text = everywhere, snippet
        elif match := _COMMAND.fullmatch(snippet):
            text = match["rest"] or ""
            name = text.split(" ")[0]
            if name and not name.startswith("-"):
                if name not in main.commands:
                    found.append(snippet)
                    continue
                known = options_of(main.commands[name])
                if names_no_subcommand(main.commands[name], text):
                    found.append(snippet)
                    continue
            else:
                known = options_of(main)
        else:
            continue
        if not set(_OPTION.findall(text)) <= known:
            found.append(snippet)
    return found


def names_no_subcommand(command: click.Command, text: str) -> bool:
    """Whether a text goes on with a command that the group `command` does not have."""
    command = command.load() if isinstance(command, LazyCommand) else command
    words = text.split()
    return isinstance(command, click.Group) and len(words) > 1 and words[1] not in command.commands


def options_of(command: click.Command) -> set[str]:
    """The options that a command or any of its own commands takes, `--help` included."""
    command = command.load() if isinstance(command, LazyCommand) else command
    if isinstance(command, click.Group) and command is not main:
        return set().union(*map(options_of, command.commands.values())) | {"--help", "-h"}
    given = {
        option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)
    }
    return {option for option in given if option.startswith("-")} | {"--help", "-h"}


def unknown_targets(markdown: str, makefile: str) -> list[str]:
    """Snippets with a `make` target that is not there."""
    targets = set(re.findall(r"^([a-z-]+):(?!=)", makefile, re.MULTILINE))
    calls = [
        (snippet, re.fullmatch(r"(?:\S+=\S+\s+)*make((?:\s+\S+)*)", snippet))
        for snippet in snippets(markdown)
    ]
    return [
        snippet
        for snippet, match in calls
        if match and not {word for word in match[1].split() if "=" not in word} <= targets
    ]


@pytest.mark.parametrize("document", DOCUMENTS, ids=named)
def test_commands_and_options_exist(document: Path) -> None:
    assert unknown_commands(document.read_text("utf-8")) == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=named)
def test_make_targets_exist(document: Path) -> None:
    makefile = (ROOT / "Makefile").read_text("utf-8")
    assert unknown_targets(document.read_text("utf-8"), makefile) == []


def test_the_readme_shows_every_command() -> None:
    assert isinstance(main, click.Group)
    text = README.read_text("utf-8")
    shown = {
        match["rest"].split(" ")[0]
        for each in snippets(text)
        if (match := _COMMAND.fullmatch(each)) and match["rest"]
    }
    # `make demo` is how README starts the demo.
    assert set(main.commands) - {"demo"} <= shown


# --- links and leftovers ------------------------------------------------------------------------------------


def broken_links(document: Path) -> list[str]:
    """Relative links that lead nowhere, and anchors that no heading has."""
    text = _FENCE.sub("", document.read_text("utf-8"))
    found = []
    for link in _LINK.findall(text):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = document if not path else document.parent / path
        if not target.exists() or (anchor and anchor not in anchors(target.read_text("utf-8"))):
            found.append(link)
    return found


def anchors(markdown: str) -> set[str]:
    """The anchors that GitHub gives to headings."""
    headings = re.findall(r"^#+ (.+)$", _FENCE.sub("", markdown), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("document", DOCUMENTS, ids=named)
def test_relative_links_lead_somewhere(document: Path) -> None:
    assert broken_links(document) == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=named)
def test_nothing_was_left_to_be_filled_in(document: Path) -> None:
    lines = enumerate(document.read_text("utf-8").splitlines(), 1)
    assert [f"{document.name}:{number}: {line}" for number, line in lines if _PLACEHOLDER.search(line)] == []


# --- what is run --------------------------------------------------------------------------------------------

TESTED = [
    pytest.param(fence, id=f"{named(document)}:{fence.line}")
    for document in DOCUMENTS
    if document.exists()
    for fence in fences(document.read_text("utf-8"))
    if fence.tested
]


def run_fence(fence: Fence, bench: Bench, folder: Path, **more: str) -> "subprocess.CompletedProcess[str]":
    """Run a block as a user would, against this sidecar. Shell blocks stop at the first command that fails."""
    text = fence.text.replace(PORT, str(bench.sidecar.sidecar.port))
    # curl ends with 0 whatever the status is, unless it is told otherwise.
    (folder / ".curlrc").write_text("fail-with-body\nsilent\nshow-error\n")
    command = [sys.executable, "-c", text] if fence.language == "python" else ["sh", "-e", "-c", text]
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("HELICONE_")}
    environment = {
        **inherited,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}",
        "CURL_HOME": str(folder),
        "OPENAI_API_KEY": "any",
        "ANTHROPIC_API_KEY": "any",
        "NO_PROXY": "localhost,127.0.0.1",
        "no_proxy": "localhost,127.0.0.1",
        "HELICONE_PROXY_URL": f"http://127.0.0.1:{bench.sidecar.sidecar.port}",
        **more,
    }
    return subprocess.run(
        command,
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=DEADLINE_SECONDS,
        check=False,
    )


def test_the_readme_has_blocks_that_are_run() -> None:
    assert [fence.language for fence in fences(README.read_text("utf-8")) if fence.tested]


@pytest.mark.parametrize("fence", TESTED)
def test_a_marked_block_runs(fence: Fence, bench: Bench, tmp_path: Path) -> None:
    if fence.language == "sh" and "curl " in fence.text and shutil.which("curl") is None:
        pytest.skip("curl is not installed")
    assert fence.language in ("sh", "python")
    bench.chat()
    ran = run_fence(fence, bench, tmp_path)
    assert ran.returncode == 0, f"{fence.text}\n--- said:\n{ran.stdout}{ran.stderr}"
    assert [event for event in bench.events if event.loss is not None] == []


@pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="this system has no Unix sockets")
def test_the_readmes_way_through_a_unix_socket_runs(
    start_bench: StartBench, tmp_path_factory: pytest.TempPathFactory
) -> None:
    [fence] = [each for each in fences(README.read_text("utf-8")) if "HTTPTransport(uds=" in each.text]
    # A short path: a socket's name has a limit.
    home = tmp_path_factory.mktemp("s")
    bench = start_bench(**{"server.unix_socket": str(home / "proxy.sock")})
    ran = run_fence(fence, bench, home, HOME=str(home))
    assert ran.returncode == 0, f"{fence.text}\n--- said:\n{ran.stdout}{ran.stderr}"


def test_the_readmes_way_to_hand_a_feedback_token_on_works(start_bench: StartBench, tmp_path: Path) -> None:
    [fence] = [each for each in fences(README.read_text("utf-8")) if '"Feedback-Token"]' in each.text]
    token = "servers-0123456789abcdef-token"
    bench = start_bench(
        **{"hooks.token": True, "guard.token": token, "routes.default.provider_key": "sk-of-the-provider"}
    )
    asked = replace(fence, text=f"{fence.text}\nimport json\nprint(json.dumps(answer('Hello')))")
    ran = run_fence(asked, bench, tmp_path, SIDECAR_TOKEN=token)
    assert ran.returncode == 0, f"{fence.text}\n--- said:\n{ran.stdout}{ran.stderr}"
    got = json.loads(ran.stdout)
    line = f"Feedback-Token: {got['token']}".encode()
    assert bench.rate(f"/feedback/{got['call']}", b'{"rating": true}', line).status == 200


@pytest.mark.parametrize(
    ("language", "text", "code"),
    [
        ("sh", "true\nfalse\ntrue", 1),
        ("python", "import os; assert os.environ['OPENAI_API_KEY'] == 'any'; raise SystemExit(3)", 3),
        pytest.param(
            "sh",
            f"curl -d rating=perhaps http://localhost:{PORT}/feedback/last\ntrue",
            22,
            marks=pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed"),
        ),
    ],
)
def test_a_block_that_fails_is_seen(
    language: str, text: str, code: int, bench: Bench, tmp_path: Path
) -> None:
    assert run_fence(Fence(language, text, 1, tested=True), bench, tmp_path).returncode == code


# --- the rules themselves -----------------------------------------------------------------------------------

DOCUMENT = """\
# A title, and more

`helicone-proxy serve --port 0`, `helicone-proxy fly`, `--port`, `--wings`, `curl --json x`
`make demo`, `make tea`, `helicone-proxy outbox list --json`, `helicone-proxy outbox fly`
[here](other.md) [gone](gone.md) [top](#a-title-and-more) [no](#nowhere) [web](https://example.com/x)

<!-- tested -->
```sh
KEY=x helicone-proxy serve \\
  --wheels 4   # not --help
PYTHON=x make coffee ARGS=y
```

```sh
echo [not](a-link)
```
"""


def test_what_a_document_gets_wrong_is_seen(tmp_path: Path) -> None:
    document = tmp_path / "README.md"
    document.write_text(DOCUMENT)
    (tmp_path / "other.md").write_text("")
    assert unknown_commands(DOCUMENT) == [
        "KEY=x helicone-proxy serve    --wheels 4",
        "helicone-proxy fly",
        "--wings",
        "helicone-proxy outbox fly",
    ]
    assert unknown_targets(DOCUMENT, "X := 1\ndemo: a\n") == ["PYTHON=x make coffee ARGS=y", "make tea"]
    assert broken_links(document) == ["gone.md", "#nowhere"]
    assert [(fence.tested, fence.line) for fence in fences(DOCUMENT)] == [(True, 9), (False, 15)]


def test_a_table_of_settings_is_read_cell_by_cell() -> None:
    table = "| Setting | Environment | Default | What it does |\n|---|---|---|---|\n"
    row = "| `a` | `B` |  | one \\| two |\n"
    assert settings_rows(f"<!-- settings -->\n{table}{row}<!-- /settings -->\n") == [
        ["`a`", "`B`", "", "one | two"]
    ]
