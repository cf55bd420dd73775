"""Files with secrets that others may read, and folders that others may write, are told; nothing is changed."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.programs import Program, run_command
from proxy.config.loading import load_settings
from proxy.config.permissions import permission_advice
from proxy.volumes import mount_kind

pytestmark = pytest.mark.skipif(os.name != "posix", reason="permissions are POSIX's")

KEY = "sk-helicone-SECRET1-SECRET2-SECRET3-SECRET4"


def on_disk(_folder: Path) -> str | None:
    """Whatever the tests' folders lie on."""
    return "ext4"


def said(
    config: Path | None = None,
    *,
    key_file: Path | None = None,
    state_dir: Path | None = None,
    kind_of: Callable[[Path], str | None] = on_disk,
) -> list[str]:
    flags = {"helicone.api_key_file": key_file, "outbox.state_dir": state_dir or "/not/there"}
    given = {key: str(value) for key, value in flags.items() if value is not None}
    found = list(permission_advice(config, load_settings(config, {}, given), kind_of))
    assert "SECRET" not in "".join(found)
    return found


def written(path: Path, text: str, mode: int) -> Path:
    path.write_text(text)
    path.chmod(mode)
    return path


@pytest.mark.parametrize(
    ("mode", "is_open"), [(0o600, False), (0o400, False), (0o640, True), (0o604, True), (0o644, True)]
)
def test_a_key_file_is_for_its_user_alone(tmp_path: Path, mode: int, is_open: bool) -> None:
    file = written(tmp_path / "key", KEY, mode)
    expected = [f"{file} holds a secret, and others on this machine may read it: chmod 600 {file}"]
    assert said(key_file=file) == (expected if is_open else [])
    assert file.stat().st_mode & 0o777 == mode


@pytest.mark.parametrize(
    ("text", "is_secret"),
    [
        (f'[helicone]\napi_key = "{KEY}"', True),
        ('[guard]\ntoken = "a-SECRET-token-of-24-bytes"', True),
        ('[guard.tokens]\nann = "a-SECRET-token-of-24-bytes"', True),
        ('[routes.groq]\nprovider_key = "sk-SECRET"\n[guard]\ntoken = "a-SECRET-token-of-24-bytes"', True),
        ('[routes.default.headers]\nX-Team = "SECRET"', True),
        ("[server]\nport = 1\n[routes.groq]\n[routes.default.headers]", False),
    ],
)
def test_a_configuration_is_a_key_file_where_a_secret_stands_in_it(
    tmp_path: Path, text: str, is_secret: bool
) -> None:
    assert bool(said(written(tmp_path / "config.toml", text, 0o644))) == is_secret
    assert said(written(tmp_path / "config.toml", text, 0o600)) == []


@pytest.mark.parametrize(("mode", "is_open"), [(0o755, False), (0o775, True), (0o777, True), (0o1777, False)])
def test_a_key_file_lies_where_nobody_puts_another(tmp_path: Path, mode: int, is_open: bool) -> None:
    folder = tmp_path / "keys"
    folder.mkdir()
    file = written(folder / "key", KEY, 0o600)
    folder.chmod(mode)
    expected = (
        f"{file} holds a secret, and others on this machine may put another one in its place: chmod go-w"
    )
    assert said(key_file=file) == ([f"{expected} {folder}"] if is_open else [])


@pytest.mark.parametrize("kind", ["tmpfs", "ramfs"])
def test_a_file_in_memory_is_up_to_whatever_mounts_it(tmp_path: Path, kind: str) -> None:
    file = written(tmp_path / "key", KEY, 0o444)
    assert said(key_file=file, kind_of=lambda folder: kind if folder == tmp_path else "ext4") == []
    assert said(key_file=file, kind_of=lambda _: "overlay")
    assert said(key_file=file, kind_of=lambda _: None)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root gives files away")
def test_a_file_of_another_user_is_read_by_its_group(tmp_path: Path) -> None:
    file = written(tmp_path / "key", KEY, 0o640)
    os.chown(file, 12345, -1)
    assert said(key_file=file) == []
    file.chmod(0o644)
    assert said(key_file=file)


@pytest.mark.parametrize(
    ("mode", "is_open"), [(0o700, False), (0o755, False), (0o770, True), (0o777, True), (0o1777, True)]
)
def test_a_state_folder_is_written_by_its_user_alone(tmp_path: Path, mode: int, is_open: bool) -> None:
    """Read by others it may be: the outbox in it is a file for its user alone."""
    folder = tmp_path / "state"
    folder.mkdir()
    folder.chmod(mode)
    found = said(state_dir=folder)
    assert bool(found) == is_open
    for each in found:
        assert each.startswith(f"{folder}, where ratings are kept, may be written by others on this machine")


def test_nobody_is_told_to_change_the_mode_of_what_is_no_folder() -> None:
    assert said(state_dir=Path("/dev/null")) == []


def test_check_and_serve_say_it(tmp_path: Path) -> None:
    file = written(tmp_path / "key", KEY, 0o644)
    env = {"HELICONE_PROXY_HELICONE__API_KEY_FILE": str(file), "HELICONE_PROXY_OUTBOX__PATH": ":memory:"}
    note = f"{file} holds a secret, and others on this machine may read it"
    if mount_kind(tmp_path) in ("tmpfs", "ramfs"):
        pytest.skip("temporary files are in memory here")
    assert f"Note: {note}" in run_command("check", env=env).stdout
    with Program("serve", "--port", "0", env=env) as program:
        program.wait_for(note, where="stderr")
        program.wait_for("listens on")
        assert program.stop() == 0
    assert "SECRET" not in program.stderr + program.stdout


def test_ratings_in_memory_lie_in_no_folder() -> None:
    settings = load_settings(None, {}, {"outbox.path": ":memory:"})
    assert list(permission_advice(None, settings, on_disk)) == []
