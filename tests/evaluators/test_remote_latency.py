"""A board: the real server in a process of its own, asked by the real client."""

import contextlib
import http.client
import http.server
import json
import os
import pickle
import re
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from evaluator_fakes import SMALLEST

from evaluators import Latency, device
from evaluators.remote_device import TOKEN_VARIABLE, RemoteDevice
from nas.errors import Infeasible, UserError
from trainer.litert import convert

ROOT = Path(__file__).parents[2]
SERVE = [sys.executable, "-m", "nas.cli", "latency", "serve", "--port", "0", "--max-megabytes", "0.1"]
QUICK = {"seconds_each": 0.05, "processes": 1}


@pytest.fixture(scope="module")
def board():
    """(address, token) of a server that made its own token."""
    environment = {key: value for key, value in os.environ.items() if key != TOKEN_VARIABLE}
    process = subprocess.Popen(SERVE, stdout=subprocess.PIPE, text=True, cwd=ROOT, env=environment, bufsize=1)
    said = "".join(process.stdout.readline() for _ in range(3))
    address = re.search(r"http://127\.0\.0\.1:\d+", said)
    token = re.search(rf"export {TOKEN_VARIABLE}=(\S+)", said)
    assert address, said
    assert token, said
    yield address[0], token[1]
    process.send_signal(signal.SIGINT)
    assert process.wait(20) == 130
    process.stdout.close()


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    path = tmp_path_factory.mktemp("remote") / "smallest.tflite"
    path.write_bytes(convert(SMALLEST.build(seed=0)))
    return path


def post(board, path="/v1/time?runtime=litert", body=b"", **headers):
    """A request by hand: status and answer."""
    connection = http.client.HTTPConnection(board[0].removeprefix("http://"), timeout=30)
    with contextlib.closing(connection):
        connection.request("POST", path, body, {"Authorization": f"Bearer {board[1]}"} | headers)
        response = connection.getresponse()
        return response.status, json.loads(response.read())


def test_a_network_is_timed_on_the_board_as_it_is_here(board, file):
    evaluator = Latency(device=board[0], token=board[1], **QUICK)
    found = evaluator.evaluate(SMALLEST)
    assert set(found) == set(Latency.metrics)
    assert found["latency_ms"].value > 0
    assert found["latency_ms"].device == device.describe(device.fingerprint())  # the board is this machine
    assert found["latency_ms"].runtime.startswith("LiteRT ")
    assert found["model_bytes"].value == file.stat().st_size
    assert evaluator.describe() == Latency(**QUICK).describe()


def test_onnx_travels_too(board, tmp_path):
    pytest.importorskip("onnxruntime")
    pytest.importorskip("tf2onnx")
    found = Latency("onnxruntime", device=board[0], token=board[1], **QUICK).evaluate(SMALLEST)
    assert found["latency_ms"].runtime.startswith("ONNX Runtime ")


def test_an_evaluator_goes_to_a_worker_with_its_board(board, file):
    copy = pickle.loads(pickle.dumps(Latency(device=board[0], token=board[1], **QUICK)))  # noqa: S301 - our own object
    assert copy.measure_file(file)["latency_ms"].value > 0


def test_the_token_is_needed_and_is_taken_from_the_environment(board, file, monkeypatch):
    monkeypatch.delenv(TOKEN_VARIABLE, raising=False)
    with pytest.raises(UserError, match=f"no token for the board, expected the token .* in {TOKEN_VARIABLE}"):
        Latency(device=board[0])
    with pytest.raises(UserError, match=f"the board does not know this token. Set {TOKEN_VARIABLE}."):
        Latency(device=board[0], token="another one")
    monkeypatch.setenv(TOKEN_VARIABLE, board[1])
    assert Latency(device=board[0], **QUICK).measure_file(file)["latency_ms"].value > 0


def test_the_token_is_nowhere_in_what_a_study_stores(board):
    assert board[1] not in json.dumps(Latency(device=board[0], token=board[1]).describe())


@pytest.mark.parametrize("header", ["", "Bearer ", "Bearer wrong", "Basic abc"])
def test_without_the_token_nothing_is_told(board, header):
    for method, path in (("GET", "/v1/device"), ("POST", "/v1/time?runtime=litert"), ("GET", "/")):
        connection = http.client.HTTPConnection(board[0].removeprefix("http://"), timeout=30)
        with contextlib.closing(connection):
            connection.request(method, path, headers={"Authorization": header})
            response = connection.getresponse()
            assert response.status == 401
            assert json.loads(response.read()) == {"error": "no token, or not the one that this board printed"}


@pytest.mark.parametrize(
    ("query", "body", "status", "problem"),
    [
        ("runtime=tensorflow", b"x" * 20, 400, "no runtime 'tensorflow' here"),
        ("runtime=../../bin/sh", b"x" * 20, 400, "no runtime '../../bin/sh' here"),
        ("runtime=litert&adapter=/tmp/x.py", b"x" * 20, 400, "unknown settings adapter"),
        ("runtime=litert&threads=many", b"x" * 20, 400, "a setting that is no number"),
        ("runtime=litert&threads=0", b"x" * 20, 400, "threads is 0, expected 1 to 1024"),
        ("runtime=litert&seconds_each=nan", b"x" * 20, 400, "seconds_each is nan"),
        ("runtime=litert", b"#!/bin/sh\nrm -rf /", 400, "the file is not a LiteRT model"),
        ("runtime=litert", b"\x1c\0\0\0TFL3" + b"\xff" * 100, 422, "litert does not run the network: "),
        ("runtime=litert", b"", 411, "the length of the model file must be given"),
        ("runtime=litert", b"x" * 100_001, 413, "the model file has 100,001 bytes, this board takes at most 100,000"),
    ],
)
def test_only_a_model_of_a_known_runtime_is_taken(board, query, body, status, problem):
    found, answer = post(board, f"/v1/time?{query}", body)
    assert problem in answer["error"]
    assert found == status


def test_a_model_that_is_too_large_is_infeasible_and_does_not_travel(board, tmp_path):
    path = tmp_path / "large.tflite"
    path.write_bytes(b"\x1c\0\0\0TFL3" + b"\0" * 200_000)
    with pytest.raises(Infeasible, match=r"the model file has 200,008 bytes, http\S+ takes at most 100,000"):
        Latency(device=board[0], token=board[1]).measure_file(path)


def test_a_runtime_whose_models_are_programs_does_not_travel(board):
    with pytest.raises(UserError, match=r"tensorflow is timed only where it runs: .*, expected litert, litert-int8"):
        Latency("tensorflow", device=board[0], token=board[1])


def test_one_measurement_at_a_time(board, file):
    content, statuses = file.read_bytes(), []
    long = threading.Thread(target=lambda: statuses.append(post(board, "/v1/time?runtime=litert&seconds_each=1", content)[0]))
    long.start()
    while long.is_alive():  # so one of the two arrives while the other is measured
        statuses.append(post(board, "/v1/time?runtime=litert&seconds_each=0.05&processes=1", content)[0])
    long.join()
    assert set(statuses) == {200, 503}


def test_those_who_find_the_board_busy_wait(board, file):
    found, evaluator = [], Latency(device=board[0], token=board[1], seconds_each=0.4, processes=1)
    threads = [threading.Thread(target=lambda: found.append(evaluator.measure_file(file))) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(found) == 3


def test_a_board_that_is_measuring_for_itself_is_busy(board, file):
    with device.lease(device.cpu_name(), 30):
        status, answer = post(board, body=file.read_bytes())
    assert status == 503
    assert "busy with another measurement" in answer["error"]


def test_a_board_that_is_not_there():
    with pytest.raises(UserError, match=r"127\.0\.0\.1:9 does not answer \(.*refused\)\. Run `nas latency serve` there\."):
        Latency(device="http://127.0.0.1:9", token="any")


@pytest.mark.parametrize("address", ["ftp://board", "http://", "http://board:port", "http://me:secret@board", "http://board/x"])
def test_an_address_that_is_none(address):
    with pytest.raises(UserError, match=r"is no address of a board, expected http://HOST:PORT"):
        RemoteDevice(address, "token")


@contextlib.contextmanager
def stranger(status, content, **headers):
    """Something else that answers HTTP; yields its address and the paths it was asked for."""
    asked = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_):
            pass

    server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", asked
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.mark.parametrize("content", [b"<html>", b"[]", b"{}", b'{"device": 1, "runtimes": []}'])
def test_something_else_answers_there(content):
    with (
        stranger(200, content) as (address, _),
        pytest.raises(UserError, match="something else than `nas latency serve`"),
    ):
        Latency(device=address, token="any")


def test_a_redirection_does_not_get_the_token():
    with stranger(200, b"{}") as (elsewhere, asked), stranger(302, b"", Location=f"{elsewhere}/v1/device") as (address, _):
        with pytest.raises(UserError, match="something else"):
            Latency(device=address, token="any")
        assert asked == []


def test_a_board_that_goes_away_is_a_failure_not_a_mistake(board, file):
    evaluator = Latency(device=board[0], token=board[1], **QUICK)
    evaluator._remote._port = 9
    with pytest.raises(ConnectionError, match="does not answer"):
        evaluator.measure_file(file)


def test_a_token_must_be_long_and_a_port_free(tmp_path):
    short = tmp_path / "token"
    short.write_text("short")
    done = subprocess.run([*SERVE, "--token-file", str(short)], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 2
    assert "token: too short a token, expected at least 16 characters" in done.stderr
