"""The command tree, and how it ends: one message and an exit code, never a traceback for a user's mistake."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import Annotated

import typer

from nas import __version__
from nas.errors import UserError

app = typer.Typer(
    name="nas",
    help="Espalier: search for the best network under a latency limit, in a space whose every architecture is known to build.",
    epilog="First steps:  nas check colorizer   then   nas search colorizer --data photos --at-most latency_ms=book --full",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs the command line; exits with 0 (success), 2 (a user's mistake), 130 (interrupted) or 1 (a failure)."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # for the processes that import TensorFlow: their news is not the user's
    if not app.registered_commands:
        _register_all()
    try:
        app(args=arguments)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(130)


def _print_version(asked: bool) -> None:
    if asked:
        print(f"espalier {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="The version, and exit.")
    ] = False,
) -> None:
    pass


def _register_all() -> None:
    """Every module of commands on `app`."""
    from nas.cli import latency, proxy, search, spaces, studies, training, trial, tuning, vertex

    for module in (spaces, latency, proxy, search, studies, training, trial, tuning, vertex):
        module.register(app)
