"""`nas latency serve`: this machine times models that others send."""

from __future__ import annotations

import os
import secrets
from pathlib import Path
from typing import Annotated

import typer

from nas.cli.common import console
from nas.errors import UserError

MEGABYTE = 1_000_000


def serve(
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="Where to listen; 0 takes a free port.")] = 8765,
    host: Annotated[
        str, typer.Option("--host", help="An address of this machine. The default lets only this machine in.")
    ] = "127.0.0.1",
    token_file: Annotated[
        Path | None,
        typer.Option(
            "--token-file",
            help="Where the token stands. Without: the environment's ESPALIER_DEVICE_TOKEN, or a new one, printed once.",
        ),
    ] = None,
    max_megabytes: Annotated[float, typer.Option("--max-megabytes", min=0.001, help="Largest model file it takes.")] = 256,
) -> None:
    """Times models on this machine for others, who say `--device http://HOST:PORT`. Runs until Ctrl-C.

    Run it on the board. It takes LiteRT and ONNX files, one at a time, and runs them with the runtime and nothing else. It
    speaks plain HTTP to this machine alone; from another one, come through a tunnel: ssh -L 8765:127.0.0.1:8765 BOARD

    Example: nas latency serve --port 8765      and elsewhere
             ESPALIER_DEVICE_TOKEN=... nas latency measure colorizer --baseline book --device http://127.0.0.1:8765
    """
    from evaluators.remote_device import TOKEN_VARIABLE
    from evaluators.remote_server import LatencyServer

    token, is_new = _token(token_file, TOKEN_VARIABLE)
    out = console()
    server = LatencyServer(host, port, token, int(max_megabytes * MEGABYTE), lambda line: out.print(line, soft_wrap=True))
    where = f"[{host}]" if ":" in host else host
    out.print(f"Listening on http://{where}:{server.server_address[1]}", markup=False, soft_wrap=True)
    facts = server.facts()
    out.print(f"{facts['device']['cpu']}; runtimes: {', '.join(facts['runtimes'])}", markup=False, soft_wrap=True)
    if is_new:
        out.print(f"export {TOKEN_VARIABLE}={token}", markup=False, soft_wrap=True)
    with server:
        server.serve_forever()


def _token(file: Path | None, variable: str) -> tuple[str, bool]:
    """The token, and whether it was made just now."""
    if file is not None:
        try:
            text = file.read_text(encoding="ascii").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise UserError(f"cannot be read ({error})", path=str(file), expected="a file with the token") from None
        return text, False
    given = os.environ.get(variable, "")
    return (given, False) if given else (secrets.token_urlsafe(32), True)
