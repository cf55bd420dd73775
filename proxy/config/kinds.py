"""How a setting is declared: the kind of its values, its default, and a sentence on it.

A kind says what is wrong with a value as the end of a sentence, "server.port: must be a whole number".
"""

import re
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from json import loads
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

T = TypeVar("T")
D = TypeVar("D")
S = TypeVar("S", bound="DataclassInstance")


@dataclass(frozen=True, slots=True)
class Secret:
    """A text that shows in no log and no message by accident."""

    text: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Kind(Generic[T]):
    """What values may be; `name` is for documents.

    `accept` takes a value as TOML has it, and gives it as we use it. Raises ValueError, or a group of them.
    """

    name: str
    accept: Callable[[object], T]
    _parse: Callable[[str], object] = str

    def read(self, text: str) -> object:
        """Give what a text means. One that means nothing stays text, and `accept` has the words for it."""
        try:
            return self._parse(text)
        except (LookupError, ValueError, RecursionError):
            return text


@dataclass(frozen=True, slots=True)
class Setting:
    """A setting as it is declared."""

    kind: Kind[Any]
    default: object
    sentence: str


def setting(kind: Kind[T], default: D, sentence: str) -> T | D:
    """Declare a setting: a field of a section, which is a dataclass."""
    return field(default=default, metadata={"setting": Setting(kind, default, sentence)})


def sections(kind: "type[S]", first: str) -> Mapping[str, S]:
    """Declare a table of sections of one kind, by name; the one named `first` is always there."""
    return field(default_factory=lambda: {first: kind()}, metadata={"sections": kind})


ANY_NAME: Final = "<name>"
"""In a dotted key: it speaks of every section of a table of them."""
_SECTION_NAME: Final = re.compile(r"(?![sp]k-)[a-z][a-z0-9-]{0,39}")
"""No key in a name's place: it would be shown."""


class Declared(Mapping[str, Setting]):
    """Every setting by dotted key, in the order of the declaration.

    A setting of every section of a table stands there once, as `routes.<name>.url`, and is found by each name that
    a section can have.
    """

    def __init__(self, settings: Mapping[str, Setting]) -> None:
        self._settings = settings
        self._tables = {key.partition(f".{ANY_NAME}.")[0] for key in settings if ANY_NAME in key}

    def __getitem__(self, key: str) -> Setting:
        return self._settings[self.general(key)]

    def general(self, key: str) -> str:
        """The key as it is declared."""
        table, _, rest = key.partition(".")
        name, dot, last = rest.partition(".")
        is_special = dot and self.is_section_name(f"{table}.{name}")
        return f"{table}.{ANY_NAME}.{last}" if is_special else key

    def __iter__(self) -> Iterator[str]:
        return iter(self._settings)

    def __len__(self) -> int:
        return len(self._settings)

    def is_setting(self, key: str) -> bool:
        """Whether `key` is that of one setting, with a section's name where there is one."""
        return key in self and ANY_NAME not in key

    def is_section_name(self, key: str) -> bool:
        """Whether `key` can name a section of a table of them."""
        table, _, name = key.partition(".")
        return table in self._tables and _SECTION_NAME.fullmatch(name) is not None

    def is_section(self, key: str) -> bool:
        """Whether settings lie below `key`."""
        return self.is_section_name(key) or any(each.startswith(f"{key}.") for each in self)

    def spelled(self, name: str) -> list[str]:
        """The keys, as they are for a section of that name."""
        return [key.replace(ANY_NAME, name) for key in self]


def declared_settings(section: "type[DataclassInstance]") -> Declared:
    """Give every setting of a section and of those in it."""
    return Declared(_declared(section, ""))


def _declared(section: "DataclassInstance | type[DataclassInstance]", prefix: str) -> dict[str, Setting]:
    settings: dict[str, Setting] = {}
    for each in fields(section):
        key, inner = prefix + each.name, each.default
        if declared := each.metadata.get("setting"):
            settings[key] = declared
        elif kind := each.metadata.get("sections"):
            settings |= _declared(kind, f"{key}.{ANY_NAME}.")
        else:
            settings |= _declared(inner, f"{key}.")  # type: ignore[arg-type]
    return settings


def filled(section: S, values: Mapping[str, object], prefix: str = "") -> S:
    """Give a section with `values`, which are accepted ones by dotted key, in place of its own."""
    given: dict[str, Any] = {}
    for each in fields(section):
        key, inner = prefix + each.name, getattr(section, each.name)
        if kind := each.metadata.get("sections"):
            known = {name: inner.get(name) or kind() for name in (*inner, *_names_below(key, values))}
            given[each.name] = {name: filled(one, values, f"{key}.{name}.") for name, one in known.items()}
        else:
            given[each.name] = values.get(key, inner) if each.metadata else filled(inner, values, f"{key}.")
    return replace(section, **given)


def _names_below(key: str, values: Mapping[str, object]) -> list[str]:
    """The sections of the table `key` that values speak of; one may be there without a setting."""
    return [each.split(".")[1] for each in values if each.startswith(f"{key}.")]


# --- kinds ------------------------------------------------------------------------------------------------

_TRUTHS: Final[Mapping[str, bool]] = MappingProxyType(
    dict.fromkeys(("true", "t", "yes", "y", "on", "1"), True)
    | dict.fromkeys(("false", "f", "no", "n", "off", "0"), False)
)


def truth() -> Kind[bool]:
    """Yes or no."""
    words = "true or false"
    return Kind(words, lambda value: _typed(value, bool, words), lambda text: _TRUTHS[text.lower()])


def whole(*, least: int, most: float = sys.maxsize) -> Kind[int]:
    """Whole numbers."""

    def accept(value: object) -> int:
        number = _typed(value, int, "a whole number")
        if not least <= number <= most:
            raise ValueError(f"must be {least} or more" if number < least else f"must be {most} or less")
        return number

    return Kind("whole number", accept, int)


def seconds(*, or_zero: bool = False, most: float = sys.float_info.max) -> Kind[float]:
    """Time spans."""

    def accept(value: object) -> float:
        number = _typed(value, (int, float), "a number")
        if not abs(number) <= sys.float_info.max:
            raise ValueError("must be a finite number")
        if number < 0 or (number == 0 and not or_zero):
            raise ValueError("must be 0 or more" if or_zero else "must be more than 0")
        if number > most:
            raise ValueError(f"must be {most:g} or less")
        return float(number)

    return Kind("number", accept, float)


def choice(*names: str) -> Kind[Any]:
    """One of a few words."""
    *others, last = map(repr, names)

    def accept(value: object) -> object:
        if value not in names:
            raise ValueError(f"must be {', '.join(others)} or {last}")
        return value

    return Kind(" or ".join(f'"{name}"' for name in names), accept)


def text(rule: Callable[[str], T], name: str = "text") -> Kind[T]:
    """Texts, as a rule gives them."""
    return Kind(name, lambda value: rule(_typed(value, str, "text in quotes")))


def texts(rule: Callable[[str], str], together: Callable[[list[str]], list[str]]) -> Kind[tuple[str, ...]]:
    """Lists of texts, with a rule for each entry and one for the list."""
    entry = text(rule)

    def accept(value: object) -> tuple[str, ...]:
        entries, wrong = [], []
        for number, each in enumerate(_typed(value, list, 'a list of texts, such as ["one", "two"]'), 1):
            try:
                entries.append(entry.accept(each))
            except ValueError as error:
                wrong.append(ValueError(f"entry {number} {error}"))
        if wrong:
            raise ExceptionGroup("entries", wrong)
        return tuple(together(entries))

    return Kind("list of texts", accept, _entries)


def _typed(value: object, kind: type[T] | tuple[type[T], ...], words: str) -> T:
    # To Python, True is a number.
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise ValueError(f"must be {words}")
    return value


def _entries(text: str) -> object:
    """Read a list: JSON, or texts with commas between them."""
    if text.lstrip().startswith("["):
        return loads(text)
    return [part.strip() for part in text.split(",") if part.strip()]
