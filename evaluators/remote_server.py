"""The board's side of remote latency: an HTTP server that takes a model file and answers with the times of its processes.

    GET  /v1/device   what this machine is, which runtimes it has, how large a file it takes
    POST /v1/time     body: a model file; query: runtime and how to time it. Answers `latency_bench.Timing` as JSON

Every request needs the token. A file is accepted when it is small enough and begins as a model of the named runtime; it is
kept in a folder of its own while it is timed, and nothing but the runtime ever reads it. One measurement at a time: a second
request is told that the board is busy (503). It speaks plain HTTP and listens on this machine alone unless told otherwise: from
another machine, come through `ssh -L`.
"""

from __future__ import annotations

import contextlib
import hmac
import json
import tempfile
import threading
import urllib.parse
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from evaluators import device, runtimes
from evaluators.latency_bench import Settings, time_file
from nas.errors import Infeasible, UserError

MAX_BYTES = 256 << 20
SOCKET_SECONDS = 60.0  # a sender that says nothing for so long is gone
LEASE_SECONDS = 1.0  # for a measurement that something else on the board is making
CHUNK = 1 << 20

Log = Callable[[str], None]


class LatencyServer(ThreadingHTTPServer):
    """A server, ready to `serve_forever`; `server_address` is where it listens.

    Args:
        host, port: where to listen; port 0 takes a free one.
        token: every request must carry it.
        max_bytes: largest model file it takes.
        log: hears a line for each measurement.
    """

    daemon_threads = True

    def __init__(self, host: str, port: int, token: str, max_bytes: int = MAX_BYTES, log: Log = lambda line: None):
        if len(token) < 16 or not token.isascii():
            raise UserError("too short a token", path="token", expected="at least 16 characters of ASCII")
        self.token, self.max_bytes, self.log = token, max_bytes, log
        self.measuring = threading.Lock()
        try:
            super().__init__((host, port), _Handler)
        except OSError as error:
            raise UserError(
                f"cannot listen there ({error.strerror})", path=f"{host}:{port}", hint="Try another --port"
            ) from None

    def facts(self) -> dict[str, Any]:
        """What the board says of itself."""
        there = [name for name, each in runtimes.RUNTIMES.items() if each.travels and each.is_installed]
        return {"device": device.fingerprint(), "runtimes": there, "max_bytes": self.max_bytes}


class _Refused(Exception):
    """An answer that is no measurement: a status, and why."""

    def __init__(self, status: int, problem: str):
        super().__init__(problem)
        self.status, self.problem = status, problem


class _Handler(BaseHTTPRequestHandler):
    server: LatencyServer
    server_version, sys_version = "espalier", ""
    timeout = SOCKET_SECONDS

    def do_GET(self) -> None:
        self._answer({"/v1/device": self.server.facts})

    def do_POST(self) -> None:
        self._answer({"/v1/time": self._time})

    def _answer(self, pages: dict[str, Callable[[], dict[str, Any]]]) -> None:
        try:
            self._check_token()
            page = pages.get(urllib.parse.urlsplit(self.path).path)
            if page is None:
                raise _Refused(404, "no such page")
            self._send(200, page())
        except _Refused as refusal:
            self._send(refusal.status, {"error": refusal.problem})
        except OSError:
            self.close_connection = True  # who asked is gone

    def _check_token(self) -> None:
        kind, _, token = self.headers.get("Authorization", "").partition(" ")
        if kind != "Bearer" or not hmac.compare_digest(token.strip().encode(), self.server.token.encode()):
            raise _Refused(401, "no token, or not the one that this board printed")

    def _time(self) -> dict[str, Any]:
        runtime, settings = self._asked()
        size = self._announced_size()
        if not self.server.measuring.acquire(blocking=False):
            self._read(size, None)
            raise _Refused(503, "busy with another measurement")
        try:
            with tempfile.TemporaryDirectory(prefix="espalier-board-") as folder:
                path = Path(folder) / f"network{runtime.adapter.SUFFIX}"
                self._read(size, path)
                return self._measure(path, runtime, settings)
        finally:
            self.server.measuring.release()

    def _measure(self, path: Path, runtime: runtimes.Runtime, settings: Settings) -> dict[str, Any]:
        try:
            runtime.check(path)
        except UserError as error:
            raise _Refused(400, f"the file is {error.problem}") from None
        try:
            timing = time_file(path, runtime, settings, LEASE_SECONDS)
        except Infeasible as refusal:
            raise _Refused(422, str(refusal)) from None
        except UserError as error:
            raise _Refused(400, str(error)) from None
        except device.DeviceBusy as error:
            raise _Refused(503, str(error)) from None
        except TimeoutError as error:
            raise _Refused(504, str(error)) from None
        except RuntimeError as error:
            raise _Refused(500, str(error)) from None
        fastest = min(run.fastest_ms for run in timing.runs)
        self.server.log(f"{fastest:.3f} ms, {timing.runtime}, {timing.precision}, {len(timing.runs)} processes")
        return timing.to_json()

    def _asked(self) -> tuple[runtimes.Runtime, Settings]:
        """Runtime and settings in the query. Nothing else is accepted, and nothing of it reaches a command line."""
        query = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(self.path).query))
        numbers = {"threads": int, "processes": int, "seconds_each": float, "tolerance": float, "timeout_seconds": float}
        name = query.pop("runtime", "")
        if name not in self.server.facts()["runtimes"]:
            raise _Refused(400, f"no runtime {name!r} here")
        if query.keys() - numbers:
            raise _Refused(400, f"unknown settings {', '.join(sorted(query.keys() - numbers))}")
        try:
            return runtimes.get(name), Settings(**{key: numbers[key](value) for key, value in query.items()})
        except ValueError:
            raise _Refused(400, "a setting that is no number") from None
        except UserError as error:
            raise _Refused(400, str(error)) from None

    def _announced_size(self) -> int:
        text = self.headers.get("Content-Length", "")
        if not text.isdigit() or not int(text):
            raise _Refused(411, "the length of the model file must be given")
        if int(text) > self.server.max_bytes:
            raise _Refused(413, f"the model file has {int(text):,} bytes, this board takes at most {self.server.max_bytes:,}")
        return int(text)

    def _read(self, size: int, path: Path | None) -> None:
        """The body, into a file; or to nowhere, so that who sends it comes to read the answer."""
        with path.open("wb") if path else contextlib.nullcontext() as file:
            while size:
                chunk = self.rfile.read(min(CHUNK, size))
                if not chunk:
                    raise ConnectionError("the sender stopped")
                size -= len(chunk)
                if file:
                    file.write(chunk)

    def _send(self, status: int, answer: dict[str, Any]) -> None:
        content = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.send_header("X-Content-Type-Options", "nosniff")
        if status == 401:
            self.send_header("WWW-Authenticate", "Bearer")
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *arguments: Any) -> None:
        """Nothing for each request: the server's `log` hears of measurements."""
