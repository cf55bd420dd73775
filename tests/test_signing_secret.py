"""The file with the signing secret: made once, by whoever comes first, for this user alone."""

import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.programs import run_command
from proxy.errors import CannotStart
from proxy.signing_secret import FILE_NAME, obstacle, read_or_make

SECRET = "0123456789abcdef" * 4
OTHER = "fedcba9876543210" * 4
ON = {"HELICONE_PROXY_HOOKS__TOKEN": "1"}


def test_it_is_made_once_for_this_user_alone(tmp_path: Path) -> None:
    file = tmp_path / "state" / "deep" / FILE_NAME
    before = os.umask(0)
    try:
        assert read_or_make(file, SECRET) == SECRET
    finally:
        os.umask(before)
    assert read_or_make(file, OTHER) == SECRET
    assert file.stat().st_mode & 0o777 == 0o600
    assert file.parent.stat().st_mode & 0o777 == 0o700
    assert [each.name for each in file.parent.iterdir()] == [FILE_NAME]


def test_those_who_start_at_once_agree(tmp_path: Path) -> None:
    ready = threading.Barrier(8)
    for turn in range(20):
        file, found = tmp_path / str(turn) / FILE_NAME, set[str]()

        def start(number: int, file: Path = file, found: set[str] = found) -> None:
            ready.wait()
            found.add(read_or_make(file, f"{number:064d}"))

        threads = [threading.Thread(target=start, args=(number,)) for number in range(8)]
        for each in threads:
            each.start()
        for each in threads:
            each.join()
        assert len(found) == 1
        assert [each.name for each in file.parent.iterdir()] == [FILE_NAME]


def test_one_that_is_still_being_written_is_waited_for(tmp_path: Path) -> None:
    file = tmp_path / FILE_NAME
    file.touch(0o600)

    def finish(_: float) -> None:
        file.write_text(OTHER)

    assert read_or_make(file, SECRET, finish) == OTHER


def link(file: Path) -> None:
    (file.parent / "elsewhere").write_text(SECRET)
    file.symlink_to(file.parent / "elsewhere")


def dangling(file: Path) -> None:
    file.symlink_to(file.parent / "nowhere")


def pipe(file: Path) -> None:
    os.mkfifo(file)


def short(file: Path) -> None:
    file.write_text("short")


def anothers(file: Path) -> None:
    file.write_text(SECRET)
    os.chown(file, 12345, -1)


@pytest.mark.skipif(os.name != "posix", reason="links and pipes are POSIX's")
@pytest.mark.parametrize(
    ("put", "said"),
    [
        (link, "it is a symbolic link"),
        (dangling, "it is a symbolic link"),
        (pipe, "it is no file"),
        (Path.mkdir, "it is no file"),
        (short, "it holds no secret of 32 to 200 characters"),
        pytest.param(
            anothers,
            "it belongs to another user",
            marks=pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away"),
        ),
    ],
)
def test_what_others_may_know_is_not_used_and_stays(
    tmp_path: Path, put: Callable[[Path], None], said: str
) -> None:
    file = tmp_path / FILE_NAME
    put(file)
    before = file.lstat()
    assert said in (obstacle(file) or "")
    with pytest.raises(CannotStart, match=said) as caught:
        read_or_make(file, OTHER, lambda _: None)
    assert "hooks.secret_file" in caught.value.message
    assert SECRET not in caught.value.message
    assert file.lstat() == before
    checked = run_command("check", "--state-dir", str(tmp_path), env=ON)
    assert checked.returncode == 1
    assert said in checked.stderr


def test_check_makes_nothing(tmp_path: Path) -> None:
    checked = run_command("check", "--state-dir", str(tmp_path), env=ON)
    assert checked.returncode == 0, checked.stderr
    assert list(tmp_path.iterdir()) == []
    assert obstacle(tmp_path / "not" / "there" / FILE_NAME) is None
