"""The rules of tests/test_architecture.py: each gives a sentence, with file and line, for all that breaks it."""

import ast
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from harness.sources import Source, with_function

Rule = Callable[[list[Source]], list[str]]

# --- imports ------------------------------------------------------------------------------------------------

LAYERS = (
    (
        "proxy",
        "proxy.model",
        "proxy.calls.aliases",
        "proxy.calls.json_beginnings",
        "proxy.calls.decoding",
        "proxy.calls.token_counts",
        "proxy.errors",
        "proxy.half_characters",
        "proxy.search",
        "proxy.search.found",
        "proxy.search.wanted",
        "proxy.relay.headers",
        "proxy.relay.framing",
        "proxy.relay.reasons",
        "proxy.relay.refusals",
    ),
    (
        "proxy.calls.answer_bodies",
        "proxy.clock",
        "proxy.config.*",
        "proxy.rating_fields",
        "proxy.event_loop",
        "proxy.feedback_tokens",
        "proxy.guard.*",
        "proxy.helicone",
        "proxy.helicone_api",
        "proxy.helicone_queries",
        "proxy.keys",
        "proxy.calls.labels",
        "proxy.open_files",
        "proxy.outbound",
        "proxy.presets",
        "proxy.redaction",
        "proxy.remote",
        "proxy.calls.request_ids",
        "proxy.routing",
        "proxy.signing_secret",
        "proxy.stores.*",
        "proxy.unix_sockets",
        "proxy.volumes",
    ),
    (
        "proxy.relay.*",
        "proxy.api_client",
        "proxy.calls.*",
        "proxy.comparing",
        "proxy.comparing.*",
        "proxy.delivery",
        "proxy.delivery.*",
        "proxy.events.*",
        "proxy.journal",
        "proxy.listeners",
        "proxy.logs",
        "proxy.metrics",
        "proxy.open_webui",
        "proxy.ratings",
        "proxy.refused",
        "proxy.rules",
        "proxy.rules.*",
        "proxy.search.*",
        "proxy.turns",
    ),
    ("proxy.admission", "proxy.inject", "proxy.inject.*", "proxy.network", "proxy.watch.*", "proxy.web.*"),
    ("proxy.access", "proxy.assembly", "proxy.before_app", "proxy.connecting"),
    ("proxy.app",),
    ("proxy.commands.*",),
    ("proxy.cli", "proxy.__main__"),
)
"""A module imports from its own layer and from those before it. `package.*` means what no other entry names."""


def layer_of(module: str) -> int | None:
    """The number of a module's layer."""
    for wanted in (module, f"{module}.*", f"{module.rpartition('.')[0]}.*"):
        for number, layer in enumerate(LAYERS):
            if wanted in layer:
                return number
    return None


def wrong_directions(sources: list[Source]) -> list[str]:
    """Imports point one way."""
    found = []
    for source in sources:
        if is_demo(source.name):
            continue
        own = layer_of(source.name)
        if own is None:
            found.append(source.at(1, "is in no layer; give it a place in LAYERS"))
            continue
        for each in source.imports():
            layer = layer_of(each.target) if each.target in source.known else None
            if layer is not None and layer > own:
                found.append(source.at(each.line, f"imports {each.target}, which is built on top of it"))
    return found


def cycles(sources: list[Source]) -> list[str]:
    """No module imports itself by way of others, not even for type checking."""
    targets = {
        source.name: {each.target for each in source.imports() if each.target in source.known}
        for source in sources
    }
    found = []
    for source in sources:
        seen: set[str] = set()
        waiting = list(targets[source.name])
        while waiting:
            name = waiting.pop()
            if name not in seen:
                seen.add(name)
                waiting.extend(targets[name])
        if source.name in seen:
            found.append(source.at(1, "imports itself by way of others"))
    return found


IMPORTS_IN_FUNCTIONS = frozenset({("proxy/event_loop.py", "uvloop")})
"""uvloop is not to be had everywhere."""


def imports_in_functions(sources: list[Source]) -> list[str]:
    """All imports stand at the top."""
    return [
        source.at(each.line, f"imports {each.target} inside of {each.function}")
        for source in sources
        for each in source.imports()
        if each.function is not None and (source.file, each.target) not in IMPORTS_IN_FUNCTIONS
    ]


def is_demo(module: str) -> bool:
    """Whether a module is part of the stand-in."""
    return is_below(module, "proxy.demo")


def is_below(module: str, package: str) -> bool:
    """Whether a module is `package` or in it."""
    return module == package or module.startswith(f"{package}.")


def foreign_imports(sources: list[Source], where: str, is_foreign: Callable[[str], bool]) -> list[str]:
    """The imports of the modules below `where` that are foreign there."""
    return [
        source.at(each.line, f"imports {each.target}")
        for source in sources
        if is_below(source.name, where)
        for each in source.imports()
        if is_foreign(each.target)
    ]


def demo_looks_into_the_product(sources: list[Source]) -> list[str]:
    """The stand-in is the other side of the wire."""
    return foreign_imports(sources, "proxy.demo", lambda name: is_below(name, "proxy") and not is_demo(name))


def product_looks_into_demo(sources: list[Source]) -> list[str]:
    """Only the command `demo` starts the stand-in."""
    return [
        source.at(each.line, f"imports {each.target}")
        for source in sources
        if not is_demo(source.name) and source.name != "proxy.commands.demo"
        for each in source.imports()
        if is_demo(each.target)
    ]


ROOT = "proxy.assembly"
"""The composition root."""


def concrete_stores_named(sources: list[Source]) -> list[str]:
    """Only the composition root knows which store it is."""
    return [
        source.at(each.line, f"names {each.target}; the contract is proxy.stores.contract")
        for source in sources
        if source.name != ROOT and not is_below(source.name, "proxy.stores")
        for each in source.imports()
        if is_below(each.target, "proxy.stores") and each.target != "proxy.stores.contract"
    ]


def relay_knows_too_much(sources: list[Source]) -> list[str]:
    """The data plane knows no aiohttp, no settings and nothing of feedback: of the product only itself."""

    def is_foreign(name: str) -> bool:
        if is_below(name, "proxy"):
            return not is_below(name, "proxy.relay")
        return name.partition(".")[0] in ("aiohttp", "pydantic")

    return foreign_imports(sources, "proxy.relay", is_foreign)


def stores_speak_http(sources: list[Source]) -> list[str]:
    """Stores keep things; they know no web."""
    return foreign_imports(sources, "proxy.stores", lambda name: is_below(name, "aiohttp"))


# --- one vendor, one place ----------------------------------------------------------------------------------

VENDOR_FILES = frozenset(
    {"proxy/helicone.py", "proxy/helicone_api.py", "proxy/helicone_queries.py", "proxy/presets.py"}
)
"""The gateway's side runs with every call; the API's side is asked for ratings only, presets at the start."""

HEADER = re.compile(r"helicone-(?!proxy\b|feedback\b)[a-z]", re.IGNORECASE)
HOST_OR_PATH = re.compile(r"helicone\.ai|hconeai|/v1/request\b|/v1/feedback\b|[sp]k-helicone", re.IGNORECASE)
HEADER_IN_A_SENTENCE = re.compile(r"(?<![\w/\"'])Helicone(?:-[A-Z][a-z]+)+(?![\w:\"'-])")
WORDS_OF_A_SENTENCE = 6


def spelled_names(sources: list[Source]) -> list[str]:
    """Only these files and the stand-in spell a header, a host, a path or a key of Helicone's."""
    return [
        source.at(line, f"spells a name of Helicone's: {text!r:.80}")
        for source in sources
        if source.file not in VENDOR_FILES and not is_demo(source.name)
        for line, text in literals(source.tree)
        if spells_a_name(text)
    ]


def spells_a_name(text: str | bytes) -> bool:
    """Whether a literal spells one. A sentence for people may name a header, whole and unquoted; bytes never."""
    if isinstance(text, bytes):
        text = text.decode("latin-1")
    elif len(re.findall(r"[A-Za-z']{2,}", text)) >= WORDS_OF_A_SENTENCE:
        text = HEADER_IN_A_SENTENCE.sub("", text)
    return bool(HEADER.search(text) or HOST_OR_PATH.search(text))


def literals(tree: ast.Module) -> Iterator[tuple[int, str | bytes]]:
    """Every text and every bytes of a module but its docstrings. An f-string is one text, with gaps."""
    # A statement that is nothing but a text is a docstring, also below an attribute.
    passed_over: set[ast.AST] = {node.value for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            passed_over.update(node.values)
            pieces = [piece.value if isinstance(piece, ast.Constant) else "…" for piece in node.values]
            yield node.lineno, "".join(map(str, pieces))
        elif (
            isinstance(node, ast.Constant) and isinstance(node.value, str | bytes) and node not in passed_over
        ):
            yield node.lineno, node.value


# --- state, time, tasks, errors -----------------------------------------------------------------------------

MUTABLE_DISPLAYS = (ast.List, ast.Dict, ast.Set, ast.ListComp, ast.DictComp, ast.SetComp, ast.GeneratorExp)
MUTABLE_TYPES = frozenset(
    {
        "dict", "list", "set", "bytearray", "defaultdict", "OrderedDict",
        "Counter", "deque", "ChainMap", "count", "cycle", "iter",
        "Lock", "RLock", "Event", "Condition", "Semaphore", "Queue",
        "StringIO", "BytesIO", "WeakKeyDictionary", "WeakValueDictionary", "WeakSet", "local",
        "ContextVar",
    }
)  # fmt: skip
FREEZING = frozenset({"MappingProxyType", "frozenset", "tuple"})


def module_state(sources: list[Source]) -> list[str]:
    """What a module or a class is bound to never changes; `__all__` is a list by custom."""
    found = []
    for source in sources:
        found += [
            source.at(node.lineno, f"global {', '.join(node.names)}")
            for node in ast.walk(source.tree)
            if isinstance(node, ast.Global)
        ]
        for names, value in shared_bindings(source.tree):
            if names != "__all__":
                what = f"{names} can be changed; wrap it in MappingProxyType, frozenset or tuple"
                found += [source.at(node.lineno, what) for node in mutable_parts(value)]
    return found


def shared_bindings(tree: ast.AST) -> Iterator[tuple[str, ast.expr]]:
    """The names that all users of a module share, and what they are bound to: outside of functions."""
    for node in ast.iter_child_nodes(tree):
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.Lambda():
                continue
            case ast.Assign(targets=targets, value=value):
                yield ", ".join(map(ast.unparse, targets)), value
            case ast.AnnAssign(target=target, value=ast.expr() as value):
                yield ast.unparse(target), value
        yield from shared_bindings(node)


def mutable_parts(value: ast.AST) -> Iterator[ast.expr]:
    """The mutable things in a value; one that is frozen at once is none, and neither is a type's argument."""
    frozen: list[ast.expr] = []
    match value:
        case ast.Lambda():
            return
        case ast.Subscript(value=inner):
            yield from mutable_parts(inner)
            return
        case ast.BinOp(right=right):
            # The left side decides the type: a frozenset and a set make a frozenset.
            frozen = [right] if isinstance(right, MUTABLE_DISPLAYS) else []
        case ast.Call(func=func, args=arguments) if called(func) in FREEZING:
            frozen = arguments
        case ast.expr() if is_mutable(value):
            yield value
    for child in ast.iter_child_nodes(value):
        for part in ast.iter_child_nodes(child) if child in frozen else [child]:
            yield from mutable_parts(part)


def is_mutable(value: ast.expr) -> bool:
    """Whether an expression makes something that can be changed."""
    if isinstance(value, ast.Call):
        return called(value.func) in MUTABLE_TYPES
    return isinstance(value, MUTABLE_DISPLAYS)


def called(function: ast.expr) -> str:
    """The last word of what is called."""
    return ast.unparse(function).rpartition(".")[2]


CLOCKS_AND_DICE = re.compile(
    r"(time\.(time|time_ns|monotonic|monotonic_ns|perf_counter|sleep)|asyncio\.sleep|(datetime\.)?datetime\.(utc)?now"
    r"|os\.urandom|uuid\.uuid[14]|(random|secrets)\.\w+)"
)


def clocks_and_dice(sources: list[Source]) -> list[str]:
    """Time, chance and waiting come in from outside: only the composition root asks for them."""
    return [
        source.at(node.lineno, f"calls {ast.unparse(node.func)}")
        for source in sources
        if source.name not in ("proxy.app", ROOT) and not is_demo(source.name)
        for node in ast.walk(source.tree)
        if isinstance(node, ast.Call)
        and CLOCKS_AND_DICE.fullmatch(ast.unparse(node.func))
        # That waits for nothing: it gives way to whatever else the loop has to do.
        and ast.unparse(node) != "asyncio.sleep(0)"
    ]


TASK_OWNERS = frozenset(
    {
        "proxy/app.py",
        "proxy/assembly.py",
        "proxy/delivery/courier.py",
        "proxy/relay/pool.py",
        "proxy/relay/names.py",
        "proxy/calls/saving.py",
    }
)
"""A lookup of a name outlives whoever asked for it first: others wait for it, too. So does what a courier does."""


def tasks_without_owner(sources: list[Source]) -> list[str]:
    """Tasks are made only where somebody ends them."""
    makers = {"create_task", "ensure_future", "run_coroutine_threadsafe", "TaskGroup"}
    return [
        source.at(node.lineno, f"makes a task with {ast.unparse(node.func)}")
        for source in sources
        if source.file not in TASK_OWNERS
        for node in ast.walk(source.tree)
        if isinstance(node, ast.Call) and called(node.func) in makers
    ]


BLIND: Mapping[tuple[str, str | None], str] = {
    (
        "proxy/app.py",
        "__aenter__",
    ): "whatever keeps it from starting, the sockets are closed; it is raised again",
    ("proxy/calls/recorder.py", "_remember"): "whatever a store does, the call goes on",
    ("proxy/calls/recorder.py", "looked"): "whatever a request's body holds, the call goes on",
    ("proxy/calls/recorder.py", "passed"): "whatever a decoder does, the call goes on",
    ("proxy/calls/recorder.py", "_note_tokens"): "whatever a decoder does, the call goes on",
    (
        "proxy/rules/judge.py",
        "_again_and_again",
    ): "whatever nobody has foreseen in one answer, the next is judged",
    ("proxy/rules/functions.py", "load_all"): "whatever importing a function does, the others are loaded",
    ("proxy/rules/functions.py", "ask"): "whatever somebody's function does, the next one is called",
    ("proxy/stores/database.py", "_outcomes"): "whatever a job raises is raised again where it was asked for",
    (
        "proxy/web/answers.py",
        "errors_as_sentences",
    ): "the last net: a bug is a sentence there, a trace in the log",
    (
        "proxy/demo/server.py",
        "start",
    ): "whatever keeps it from starting, the other port is closed; raised again",
}
"""Where everything is caught, and why nothing is lost by it."""


def blind_excepts(sources: list[Source]) -> list[str]:
    """Only what is expected is caught."""
    return [
        source.at(line, f"catches everything, in {function}")
        for source in sources
        for line, function in catches_everything(source)
        if (source.file, function) not in BLIND
    ]


def catches_everything(source: Source) -> Iterator[tuple[int, str | None]]:
    """Lines and functions of blind excepts, `suppress(Exception)` included."""
    for node, function in with_function(source.tree):
        match node:
            case ast.ExceptHandler(type=None, lineno=line):
                yield line, function
            case ast.ExceptHandler(type=ast.expr() as kind, lineno=line) if is_everything(kind):
                yield line, function
            case ast.Call(args=kinds, lineno=line) if called(node.func) == "suppress":
                if any(map(is_everything, kinds)):
                    yield line, function


def is_everything(kind: ast.expr) -> bool:
    """Whether an expression names the exceptions that all others are, alone or among others."""
    names = {called(each) for each in (kind.elts if isinstance(kind, ast.Tuple) else [kind])}
    return bool(names & {"Exception", "BaseException"})


TRACED = frozenset(
    {
        ("proxy/calls/saving.py", "_say_why_stopped"),
        ("proxy/delivery/courier.py", "_say_error"),
        ("proxy/delivery/courier.py", "say_why_stopped"),
        # What nobody caught, with all secrets struck out.
        ("proxy/redaction.py", "tell"),
        ("proxy/web/answers.py", "errors_as_sentences"),
        ("proxy/web/event_streams.py", "say_why_stopped"),
    }
)
"""Where a traceback is logged: for bugs of ours only. It ends in what the exception's `str` says."""


def errors_shown_whole(sources: list[Source]) -> list[str]:
    """No exception is shown by its `repr`: one of aiohttp's holds every header of a request, the key included."""
    return [
        source.at(line, what)
        for source in sources
        if not is_demo(source.name)
        for line, function, what in shown_whole(source)
        if what != LOGS_A_TRACE or (source.file, function) not in TRACED
    ]


LOGS_A_TRACE = "logs a traceback"


def shown_whole(source: Source) -> Iterator[tuple[int, str | None, str]]:
    """Lines, functions and what they do: show an exception by its `repr`, or with its traceback."""
    caught = {
        handler.name
        for handler in ast.walk(source.tree)
        if isinstance(handler, ast.ExceptHandler) and handler.name
    } | {"error", "exc", "exception"}
    for node, function in with_function(source.tree):
        match node:
            case ast.FormattedValue(value=ast.Name(id=name), conversion=114, lineno=line) if name in caught:
                yield line, function, f"shows the repr of {name}"
            case ast.Call(func=func, args=[ast.Name(id=name)], lineno=line) if (
                called(func) in ("repr", "ascii") and name in caught
            ):
                yield line, function, f"shows the repr of {name}"
            case ast.Call(func=ast.Attribute(attr=method), args=[ast.Constant(value=str() as text), *_]) if (
                method in LOGGING and re.search(r"%[#0 +-]*[0-9.]*[ra]", text)
            ):
                yield node.lineno, function, "logs the repr of something"
            case ast.Call(func=func, keywords=keywords, lineno=line) if (
                called(func) in ("format_exc", "print_exc", "format_exception", "print_exception")
                or ast.unparse(func).endswith(("logger.exception", "log.exception"))
                or any(each.arg == "exc_info" for each in keywords)
            ):
                yield line, function, LOGS_A_TRACE


LOGGING = frozenset({"debug", "info", "warning", "error", "exception", "critical", "log"})


# --- sizes --------------------------------------------------------------------------------------------------

LONGEST_FUNCTION = 60
USUAL_FUNCTION = 30
USUAL_SHARE = 0.9
LONGEST_MODULE = 350


def sizes(sources: list[Source]) -> list[str]:
    """No function and no module is too long to be read in one go, and most functions are short."""
    found = []
    lengths: list[tuple[int, str]] = []
    for source in sources:
        lines = source.text.count("\n")
        if lines > LONGEST_MODULE:
            found.append(source.at(1, f"has {lines} lines; {LONGEST_MODULE} are the most"))
        for function in source.functions():
            length = (function.end_lineno or 0) - function.lineno + 1
            lengths.append(
                (length, where := source.at(function.lineno, f"{function.name} has {length} lines"))
            )
            if length > LONGEST_FUNCTION:
                found.append(f"{where}; {LONGEST_FUNCTION} are the most")
    long = sorted((length, where) for length, where in lengths if length > USUAL_FUNCTION)
    if len(long) > len(lengths) * (1 - USUAL_SHARE):
        found += [f"{where}; one function in ten may have more than {USUAL_FUNCTION}" for _, where in long]
    return found


# --- documents and other tracked files ----------------------------------------------------------------------

ARCHITECTURE_LINES = 120
MACHINES = re.compile(r"(?<![\w.~-])/(?:home|Users|root|work)/\w|[A-Z]:\\Users\\")
REGISTRIES = re.compile(
    r"pypi\.org|pypi\.python\.org|pythonhosted\.org|registry\.npmjs|registry\.yarnpkg|crates\.io|proxy\.golang"
    r"|(?:index|find-links|registry)[-_]?url\s*=|\bartifactory\b|\bnexus\b",
    re.IGNORECASE,
)


def left_unnamed(folder: Path) -> list[str]:
    """The modules and folders at the top of the package that ARCHITECTURE.md does not name."""
    text = (folder / "ARCHITECTURE.md").read_text("utf-8")
    spans = set(re.findall(r"`([^`\n]+)`", text))
    entries = [
        path for path in (folder / "proxy").iterdir() if path.name not in ("__pycache__", "__init__.py")
    ]
    names = [f"{path.name}/" if path.is_dir() else path.name for path in entries if path.name != "py.typed"]
    return sorted(f"ARCHITECTURE.md: does not name `{name}`" for name in names if name not in spans)


def local_names(folder: Path, files: list[str]) -> list[str]:
    """Lines that name a folder of somebody's machine, or a host that packages come from."""
    found = []
    for file in files:
        try:
            lines = (folder / file).read_text("utf-8").splitlines()
        except UnicodeDecodeError:
            continue
        for number, line in enumerate(lines, 1):
            if match := MACHINES.search(line) or REGISTRIES.search(line):
                found.append(f"{file}:{number}: {match[0]}")
    return found


RULES: tuple[Rule, ...] = (
    wrong_directions,
    cycles,
    imports_in_functions,
    demo_looks_into_the_product,
    product_looks_into_demo,
    concrete_stores_named,
    relay_knows_too_much,
    stores_speak_http,
    spelled_names,
    module_state,
    clocks_and_dice,
    tasks_without_owner,
    blind_excepts,
    errors_shown_whole,
    sizes,
)
