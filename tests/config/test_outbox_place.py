"""Where the outbox lies, and what keeps it from lying there."""

import os
from pathlib import Path

import pytest

from harness.programs import run_command
from proxy.config.outbox_place import place_of, why_unusable
from proxy.config.settings import OutboxSettings


def test_it_lies_where_the_settings_say_and_is_named_after_the_port(tmp_path: Path) -> None:
    assert place_of(OutboxSettings(path="/a/b.db"), 1) == Path("/a/b.db")
    assert place_of(OutboxSettings(path=":memory:"), 1) is None
    assert place_of(OutboxSettings(state_dir=str(tmp_path)), 8747) == tmp_path / "outbox-8747.db"
    system = place_of(OutboxSettings(), 8747)
    assert system is not None
    assert system.parts[-2:] == ("helicone-feedback-proxy", "outbox-8747.db")


def test_folders_that_are_not_there_yet_are_no_obstacle_and_are_not_made(tmp_path: Path) -> None:
    assert why_unusable(OutboxSettings(state_dir=str(tmp_path / "a" / "b")), 1) is None
    assert why_unusable(OutboxSettings(path=":memory:"), 1) is None
    assert list(tmp_path.iterdir()) == []


def test_a_file_in_the_way_is_told_with_the_setting(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    said = why_unusable(OutboxSettings(state_dir=str(file)), 8747)
    assert said == (
        f"The outbox {file}/outbox-8747.db cannot be made or written: {file} is no folder. Choose another folder "
        "with [outbox] state_dir, or --state-dir."
    )
    said = why_unusable(OutboxSettings(path=str(file / "deep" / "down.db")), 8747)
    assert said is not None
    assert f"{file} is no folder. Choose another file with [outbox] path." in said
    (tmp_path / "outbox-1.db").mkdir()
    said = why_unusable(OutboxSettings(state_dir=str(tmp_path)), 1)
    assert said is not None
    assert "it is a folder" in said


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_and_a_file_that_may_not_be_written_are_told(tmp_path: Path) -> None:
    (tmp_path / "outbox-1.db").touch(0o400)
    said = why_unusable(OutboxSettings(state_dir=str(tmp_path)), 1)
    assert said is not None
    assert "may not be read and written" in said
    tmp_path.chmod(0o500)
    said = why_unusable(OutboxSettings(state_dir=str(tmp_path)), 2)
    assert said is not None
    assert f"{tmp_path} may not be written" in said


@pytest.mark.parametrize("name", ["check", "serve"])
def test_check_and_serve_say_the_same(name: str, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    done = run_command(name, "--port", "0", "--state-dir", str(file))
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.endswith(
        f"{file} is no folder. Choose another folder with [outbox] state_dir, or --state-dir.\n"
    )
