"""A local Vertex AI for tests and rehearsals: the REST interface of its jobs on 127.0.0.1, trials as processes of this machine.

    python tests/fake_vertex/fake_vertex.py --port 8080 --root runs/rehearsal --command "python task.py"
    nas vertex tune --spec hpt.yaml ... --project rehearsal --region europe-west4 --endpoint http://127.0.0.1:8080

Requests and answers are the messages of Google's own client, so that client cannot tell the difference: custom jobs,
hyperparameter tuning jobs, architecture searches and their trials; create, get, list in pages, cancel, delete. A field the API
does not know is refused as there. A container's image is not run: its command is, or the one given with --command.
"""

from __future__ import annotations

import argparse
import http.server
import json
import os
import re
import shlex
import threading
import time
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from fake_faults import SLOW_S, Fault, Faults
from fake_jobs import MESSAGES, ApiError, Job, Jobs, token, window
from fake_runners import Machines

PLACE = r"projects/[^/]+/locations/[^/]+"
KIND = "|".join(MESSAGES)
COLLECTION = re.compile(rf"/v1/(?P<parent>{PLACE})/(?P<kind>{KIND})")
RESOURCE = re.compile(rf"/v1/(?P<name>{PLACE}/(?:{KIND})/[^/:]+)(?P<verb>:cancel)?")
DETAILS = re.compile(rf"/v1/(?P<name>{PLACE}/nasJobs/[^/:]+)/nasTrialDetails(?:/(?P<id>[^/:]+))?")
LONGEST_BODY = 64 * 2**20


class FakeVertex:
    """The server; a context manager.

    Args:
        root: where jobs and their files are kept.
        port: 0: any free one.
        command: stands in for each container's command.
        faults: troubles to come; see `fake_faults`.

    Attributes:
        url: "http://127.0.0.1:PORT".
        requests: (method, path, body) of all requests so far.
    """

    def __init__(self, root: str | Path, port: int = 0, command: Any = (), faults: Faults | None = None):
        root = Path(root)
        emulated = bool(os.environ.get("STORAGE_EMULATOR_HOST"))
        self.machines = Machines(command, None if emulated else root / "buckets")
        self.faults = faults or Faults()
        self.jobs = Jobs(root / "jobs", self._run)
        self.requests: list[tuple[str, str, Any]] = []
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", port), _handler(self))
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> FakeVertex:
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self.jobs.end()

    def answer(self, method: str, path: str, query: dict[str, str], body: Any) -> Any:
        """The answer to one request.

        Raises:
            ApiError: it is refused.
        """
        if found := COLLECTION.fullmatch(path):
            if method == "POST":
                return self.jobs.create(found["parent"], found["kind"], body or {}).to_json()
            return self.jobs.page(found["parent"], found["kind"], query)
        if found := DETAILS.fullmatch(path):
            return self._details(self.jobs.get(found["name"]), found["id"], query)
        found = RESOURCE.fullmatch(path)
        if found is None or (method == "POST") != bool(found["verb"]):
            raise ApiError(404, f"{method} {path} is not served here")
        job = self.jobs.get(found["name"])
        if method == "GET":
            job.refresh()
            return job.to_json()
        if method == "POST":
            job.cancel()
            return {}
        self.jobs.delete(job.name)
        empty = {"@type": "type.googleapis.com/google.protobuf.Empty"}
        return {"name": f"{job.name}/operations/1", "done": True, "response": empty}

    def _details(self, job: Job, number: str | None, query: dict[str, str]) -> Any:
        if number is not None:
            found = job.details(int(number) - 1, 1) if number.isdecimal() and int(number) else []
            if not found:
                raise ApiError(404, f"{job.name} has no trial {number}")
            return found[0]
        first, count = window(query)
        found = job.details(first, count + 1)
        more = {"nextPageToken": token(first + count)} if len(found) > count else {}
        return {"nasTrialDetails": found[:count], **more}

    def _run(self, job: Job) -> None:
        if self.faults.take("RUN", job.name) == "fail":
            raise RuntimeError("Internal error occurred. Please retry in a few minutes.")
        self.machines.run(job)


def _handler(vertex: FakeVertex) -> type[http.server.BaseHTTPRequestHandler]:
    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = 60

        def _serve(self) -> None:
            parts = urlsplit(self.path)
            path, query = unquote(parts.path), dict(parse_qsl(parts.query))
            length = int(self.headers.get("Content-Length") or 0)
            if length > LONGEST_BODY:
                return self._send(413, {})
            text = self.rfile.read(length)
            trouble = vertex.faults.take(self.command, path)
            if trouble == "refuse":
                return self._hang_up()
            if trouble == "garbage":
                return self._send(200, b"<html>Please sign in</html>")
            if trouble == "slow":
                time.sleep(SLOW_S)
            try:
                body = json.loads(text) if text else None
                vertex.requests.append((self.command, path, body))
                if isinstance(trouble, int):
                    raise ApiError(trouble, "requested for this test")
                answer = vertex.answer(self.command, path, query, body)
            except ApiError as error:
                return self._send(error.status, error.to_json())
            except ValueError as error:
                return self._send(400, ApiError(400, f"Invalid request. {error}").to_json())
            return self._hang_up() if trouble == "drop" else self._send(200, answer)

        do_GET = do_POST = do_DELETE = _serve

        def _send(self, status: int, answer: Any) -> None:
            content = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json; charset=UTF-8")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def _hang_up(self) -> None:
            self.close_connection = True

        def log_message(self, format: str, *arguments: Any) -> None:
            pass

    return Handler


def _serve_storage(bucket: str) -> str:
    """Starts an emulator of Cloud Storage for this process and its trials; its address."""
    from gcp_storage_emulator.server import create_server

    server = create_server("127.0.0.1", 0, in_memory=True, default_bucket=bucket)
    server.start()
    os.environ["STORAGE_EMULATOR_HOST"] = f"http://127.0.0.1:{server._api._httpd.server_port}"
    return os.environ["STORAGE_EMULATOR_HOST"]


def main() -> None:
    """Serves until Ctrl-C."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--port", type=int, default=8080, help="0: any free one")
    parser.add_argument("--root", type=Path, default=Path("runs/fake_vertex"), help="where jobs and their files are kept")
    parser.add_argument("--command", default="", help="stands in for each container's command")
    parser.add_argument("--fault", action="append", default=[], metavar="METHOD:WHERE:WHAT[:TIMES]", help="see fake_faults.py")
    parser.add_argument("--bucket", default="", help="also serve Cloud Storage on this machine, with this bucket")
    given = parser.parse_args()
    if given.bucket:
        print(f"export STORAGE_EMULATOR_HOST={_serve_storage(given.bucket)}", flush=True)
    faults = Faults(*map(Fault.parse, given.fault))
    with FakeVertex(given.root, given.port, shlex.split(given.command), faults) as vertex:
        print(f"A local Vertex AI at {vertex.url}, jobs in {given.root}. Ctrl-C ends it.", flush=True)
        try:
            threading.Event().wait()
        except KeyboardInterrupt:
            print("ended")


if __name__ == "__main__":
    main()
