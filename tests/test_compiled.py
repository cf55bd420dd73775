"""What `make wheel` compiles, as pyproject.toml lists it."""

import enum
import importlib
import inspect
import tomllib
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent


def compiled_modules() -> list[str]:
    """The names of all modules that are compiled."""
    with (ROOT / "pyproject.toml").open("rb") as file:
        build = tomllib.load(file)["tool"]["hatch"]["build"]["targets"]["wheel"]
    hook = build["hooks"]["mypyc"]
    paths = {path for pattern in hook["include"] for path in ROOT.glob(pattern.strip("/"))}
    paths -= {ROOT / name.strip("/") for name in hook["exclude"]}
    return sorted(".".join(path.relative_to(ROOT).with_suffix("").parts) for path in paths)


def foreign_bases(modules: list[str]) -> Iterator[tuple[str, type]]:
    """Every class of these modules that derives from one of other modules, with that one."""
    for name in modules:
        for found in vars(importlib.import_module(name)).values():
            if inspect.isclass(found) and found.__module__ == name:
                yield from (
                    (f"{name}.{found.__qualname__}", base)
                    for base in found.__bases__
                    if base.__module__ not in modules
                )


def test_what_is_listed_is_there() -> None:
    modules = compiled_modules()
    assert "proxy.relay.client" in modules
    assert "proxy.calls.recorder" in modules
    assert "proxy.relay.reasons" not in modules


def test_no_compiled_class_derives_from_a_python_class_whose_objects_have_a_dict() -> None:
    """With a logging handler that did, garbage collections crashed the process. Exceptions are C's; enumerations
    are left as they are."""
    odd = [
        f"{name} derives from {base.__module__}.{base.__qualname__}"
        for name, base in foreign_bases(compiled_modules())
        if base.__dictoffset__ and not issubclass(base, BaseException | enum.Enum)
    ]
    assert odd == []
