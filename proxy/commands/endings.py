"""How a command ends: exit codes, and sentences instead of tracebacks."""

import contextlib
import sys
from collections.abc import Iterator

import click

from proxy.errors import CannotStart, ConfigurationError, OutboxFailed, RemoteError

EXIT_FAILED = 1
EXIT_USAGE = 2


@contextlib.contextmanager
def sentences_instead_of_tracebacks() -> Iterator[None]:
    """End the program with what went wrong, said on standard error."""
    try:
        yield
    except ConfigurationError as error:
        for problem in error.problems:
            click.echo(problem, err=True)
        sys.exit(EXIT_USAGE)
    except (CannotStart, OutboxFailed, RemoteError) as error:
        click.echo(str(error), err=True)
        sys.exit(EXIT_FAILED)
