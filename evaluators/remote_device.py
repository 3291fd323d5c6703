"""A board elsewhere that times models: `nas latency serve` runs there, this is the side that asks.

Only the model file travels, over HTTP with a token. The answer carries the board's own fingerprint, and the statistics are
made from the times of its processes, as they would be here. A board is one device: while it measures for somebody else it
says so, and is asked again.
"""

from __future__ import annotations

import dataclasses
import functools
import http.client
import json
import os
import time
import urllib.parse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from evaluators.latency_bench import MAX_PROCESSES, Settings, Timing
from evaluators.runtimes import Runtime
from nas.errors import Infeasible, UserError

TOKEN_VARIABLE = "ESPALIER_DEVICE_TOKEN"
CONNECT_SECONDS = 10.0
TRIES = 4  # where the board does not answer; 0.5, 1 and 2 s between them
BUSY_SECONDS = 600.0
ANSWER_BYTES = 64 << 20


class RemoteDevice:
    """A board by its address. Nothing is asked of it before it is needed; what it is, is asked once.

    Args:
        address: `http://host:port`, or https behind a proxy that speaks it.
        token: what the board printed; by default the environment's `ESPALIER_DEVICE_TOKEN`.

    Raises:
        UserError: no address, or no token.
    """

    def __init__(self, address: str, token: str = ""):
        parts = urllib.parse.urlsplit(address if "://" in address else f"http://{address}")
        try:
            host, port = parts.hostname, parts.port
        except ValueError:
            host, port = None, None
        if parts.scheme not in ("http", "https") or not host or parts.path.strip("/") or parts.query or parts.username:
            raise UserError(
                f"{address!r} is no address of a board", path="device", received=address, expected="http://HOST:PORT"
            )
        self.address, self._scheme, self._host, self._port = address, parts.scheme, host, port
        self._token = token or os.environ.get(TOKEN_VARIABLE, "")
        if not self._token.isprintable() or not self._token.isascii() or not self._token:
            raise UserError(
                "no token for the board" if not self._token else "a token of other than printable ASCII",
                path=address,
                expected=f"the token that `nas latency serve` printed there, in {TOKEN_VARIABLE}",
            )

    @functools.cached_property
    def facts(self) -> dict[str, Any]:
        """What the board says of itself: device, runtimes, max_bytes, cores. Raises UserError where it cannot be had."""
        try:
            status, answer = self._ask_patiently("GET", "/v1/device", b"", {}, CONNECT_SECONDS)
        except (ConnectionError, TimeoutError) as error:
            raise UserError(str(error), path="device", received=self.address, hint="Run `nas latency serve` there") from None
        if status != 200 or not isinstance(answer.get("device"), dict) or not isinstance(answer.get("runtimes"), list):
            raise UserError("something else than `nas latency serve` answers there", path=self.address, received=status)
        return answer

    @property
    def fingerprint(self) -> Mapping[str, str]:
        """As `device.fingerprint` gives it here."""
        return {"cpu": "unknown processor"} | {str(key): str(value) for key, value in self.facts["device"].items()}

    def require(self, runtime: Runtime) -> None:
        """Raises UserError where the board cannot time models of this runtime."""
        if not runtime.travels:
            raise UserError(
                f"{runtime.name} is timed only where it runs: a SavedModel is a program, which no board takes from elsewhere",
                path=self.address,
                received=runtime.name,
                expected="litert, litert-int8 or onnxruntime",
            )
        if runtime.name not in self.facts["runtimes"]:
            there = ", ".join(map(str, self.facts["runtimes"]))
            raise UserError(f"the board has no {runtime.name}", path=self.address, received=runtime.name, expected=there)

    def time_file(self, path: Path, runtime: Runtime, settings: Settings) -> Timing:
        """Sends a model file and waits for its times.

        Raises:
            Infeasible: the runtime refuses the network, or the file is larger than the board takes.
            UserError: the board does not know the token, or refuses the settings.
            RuntimeError: the runtime crashed there.
            TimeoutError: it was busy for 10 minutes, or timing took too long.
            ConnectionError: it does not answer.
        """
        size, most = path.stat().st_size, int(self.facts.get("max_bytes", 0))
        if size > most:
            raise Infeasible(f"the model file has {size:,} bytes, {self.address} takes at most {most:,}")
        query = urllib.parse.urlencode({"runtime": runtime.name, **dataclasses.asdict(settings)})
        patience = CONNECT_SECONDS + MAX_PROCESSES * settings.timeout_seconds
        kind = {"Content-Type": "application/octet-stream"}
        status, answer = self._ask_patiently("POST", f"/v1/time?{query}", path.read_bytes(), kind, patience)
        problem = str(answer.get("error", f"status {status}"))[:2000]
        if status == 422:
            raise Infeasible(problem)
        if status == 413:
            raise Infeasible(f"{self.address}: {problem}")
        if status == 504:
            raise TimeoutError(f"{self.address}: {problem}")
        if status == 400:
            raise UserError(problem, path=self.address)
        if status != 200:
            raise RuntimeError(f"{self.address}: {problem}")
        try:
            return Timing.from_json(answer)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise RuntimeError(f"{self.address}: an answer that is no measurement ({error!r})") from None

    def _ask_patiently(
        self, method: str, path: str, body: bytes, headers: Mapping[str, str], patience: float
    ) -> tuple[int, dict[str, Any]]:
        """Asks until the board is free. A measurement changes nothing there, so it can be asked for again."""
        tries, deadline = 0, time.monotonic() + BUSY_SECONDS
        while True:
            try:
                status, answer = self._ask(method, path, body, headers, patience)
            except TimeoutError:
                raise TimeoutError(f"{self.address} did not answer in {patience:g} s") from None
            except (OSError, http.client.HTTPException) as error:
                tries += 1
                if tries >= TRIES:
                    raise ConnectionError(f"{self.address} does not answer ({error})") from None
                time.sleep(0.25 * 2**tries)
                continue
            if status == 401:
                raise UserError("the board does not know this token", path=self.address, hint=f"Set {TOKEN_VARIABLE}")
            if status != 503:
                return status, answer
            if time.monotonic() > deadline:
                raise TimeoutError(f"{self.address} was busy with other measurements for {BUSY_SECONDS:g} s")
            time.sleep(1.0)

    def _ask(
        self, method: str, path: str, body: bytes, headers: Mapping[str, str], patience: float
    ) -> tuple[int, dict[str, Any]]:
        """One request. Redirections are not followed and no proxy is asked: the token is for the board alone."""
        kind = http.client.HTTPSConnection if self._scheme == "https" else http.client.HTTPConnection
        connection = kind(self._host, self._port, timeout=CONNECT_SECONDS)
        try:
            connection.connect()
            assert connection.sock is not None
            connection.sock.settimeout(patience)
            connection.request(method, path, body or None, {**headers, "Authorization": f"Bearer {self._token}"})
            response = connection.getresponse()
            content = response.read(ANSWER_BYTES)
        finally:
            connection.close()
        try:
            answer = json.loads(content)
        except ValueError:
            answer = {}
        return response.status, answer if isinstance(answer, dict) else {}
