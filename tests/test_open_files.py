"""How many connections fit: the limit on open files is raised as far as it goes, and heeded."""

import resource
import sys
from collections.abc import Iterator

import pytest

from harness.programs import Program
from proxy import open_files

SERVE = ("serve", "--port", "0", "--upstream", "http://127.0.0.1:9")
MAX_CONNECTIONS = "HELICONE_PROXY_SERVER__MAX_CONNECTIONS"


@pytest.fixture
def hard_limit() -> Iterator[int]:
    """The hard limit of this process, whose soft one is put back in the end."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    yield hard
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.skipif(sys.platform != "linux", reason="macOS names no limit")
def test_the_limit_is_raised_as_far_as_it_may_be(hard_limit: int) -> None:
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard_limit // 2, hard_limit))
    assert open_files.raise_limit() == hard_limit
    assert resource.getrlimit(resource.RLIMIT_NOFILE) == (hard_limit, hard_limit)
    assert open_files.raise_limit() == hard_limit


@pytest.mark.parametrize(
    ("files", "idle", "connections"),
    [
        # Two for each connection, besides our own and those to the gateway that lie idle.
        (20_000, 256, 9_808),
        (1_024, 256, 320),
        # Where there are few, those that lie idle take a quarter at most.
        (256, 256, 32),
        (256, 0, 64),
        # One at least: a sidecar that serves nobody is none.
        (64, 256, 1),
    ],
)
def test_so_many_connections_fit(files: int, idle: int, connections: int) -> None:
    assert open_files.connections(files, besides=idle) == connections


def test_a_sidecar_says_that_its_limit_on_connections_does_not_fit() -> None:
    with Program(*SERVE, open_files=256) as program:
        program.wait_for("listens on")
        said = program.wait_for("Only 256 files.*", where="stderr")[0]
        assert "32 connections" in said
        assert "9500" in said
        assert "ulimit -n" in said


def test_it_says_nothing_when_it_fits() -> None:
    with Program(*SERVE, env={MAX_CONNECTIONS: "32"}, open_files=256) as program:
        program.wait_for("listens on")
        program.stop()
        assert "files" not in program.stderr
