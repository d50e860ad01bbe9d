import asyncio
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest

from emulator.package_index import PackageIndex
from emulator.runtimes import Runtimes
from emulator.shipped import SHIMS

HERE = Path(__file__).parent
RENUMBER = "import os, sys; os.dup2(int(sys.argv[1]), 3); os.execv(sys.argv[2], sys.argv[2:])"
CANNOT_FEED = (
    "Input mismatch: Cannot feed value of shape {} for Tensor 'x:0', which has shape '(?, 3)'"
)
IRREGULAR = "Input mismatch: the values of x do not form a regular float32 tensor: "
LOAD_FAILED = "cmle-prediction-server: load failed: "
EXPORT_S = 300
CACHE = Path(os.environ.get("CMLE_CACHE_DIR", "~/.cache/cmle")).expanduser()

Serve = Callable[..., "Server"]


class Connection(HTTPConnection):
    """HTTP to an abstract unix socket."""

    def __init__(self, name: str) -> None:
        super().__init__("localhost", timeout=60)
        self._name = name

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(60)
        self.sock.connect("\0" + self._name)


class Server:
    """A server process on a socket of its own."""

    def __init__(self, argv: list[str]) -> None:
        self.name = f"cmle-test-{secrets.token_hex(8)}"
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind("\0" + self.name)
            listener.listen(64)
            self.process = subprocess.Popen(
                [sys.executable, "-I", "-c", RENUMBER, str(listener.fileno()), *argv],
                pass_fds=[listener.fileno()],
                env={"OMP_NUM_THREADS": "1", "TF_CPP_MIN_LOG_LEVEL": "3"},
                stderr=subprocess.PIPE,
                text=True,
            )

    def ask(self, body: Any, connection: HTTPConnection | None = None) -> tuple[int, Any]:
        data = body if isinstance(body, bytes) else json.dumps(body)
        asked = connection or Connection(self.name)
        try:
            asked.request("POST", "/predict", data)
            answer = asked.getresponse()
            return answer.status, json.loads(answer.read())
        finally:
            if connection is None:
                asked.close()

    def predictions(self, *instances: Any, **more: Any) -> Any:
        return self.ask({"instances": list(instances), **more})[1]

    def raw(self, request: bytes) -> bytes:
        with socket.socket(socket.AF_UNIX) as sock:
            sock.settimeout(60)
            sock.connect("\0" + self.name)
            try:
                sock.sendall(request)
                sock.shutdown(socket.SHUT_WR)
                return b"".join(iter(lambda: sock.recv(65536), b""))
            except (ConnectionResetError, BrokenPipeError):  # closed before all was read
                return b""

    def stop(self) -> str:
        self.process.kill()
        return self.process.communicate()[1]


def toy_argv(model_dir: Path) -> list[str]:
    return [sys.executable, "-I", str(HERE / "toy_server.py"), str(SHIMS), str(model_dir)]


@pytest.fixture
def toy(tmp_path: Path) -> Iterator[Server]:
    server = Server(toy_argv(tmp_path))
    yield server
    server.stop()


def test_a_connection_carries_many_requests(toy: Server) -> None:
    connection = Connection(toy.name)
    for number in range(20):
        body = {"instances": [number]}
        assert toy.ask(body, connection) == (200, {"predictions": [{"y": number * 2}]})
    connection.close()


def test_health_names_the_signatures(toy: Server) -> None:
    answer = toy.raw(b"GET /health HTTP/1.1\r\nConnection: close\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
    assert answer.endswith(b'\r\n\r\n{"signatures": ["serving_default"]}')


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (b"GET /predict HTTP/1.1\r\n\r\n", 404),
        (b"POST /predict HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", 411),
        (b"POST /predict HTTP/1.1\r\nContent-Length: x\r\n\r\n", 411),
        (b"POST /predict HTTP/1.1\r\nContent-Length: 99999999999\r\n\r\n", 413),
        (b"POST /predict HTTP/1.1\r\nContent-Length: " + b"9" * 5000 + b"\r\n\r\n", 413),
    ],
)
def test_requests_that_are_refused(toy: Server, request_bytes: bytes, status: int) -> None:
    assert toy.raw(request_bytes).startswith(b"HTTP/1.1 %d " % status)


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"",
        b"nonsense\r\n\r\n",
        b"GET /health HTTP/1.1\r\nno colon\r\n\r\n",
        b"GET /health HTTP/1.1\r\n" + b"a: b\r\n" * 20_000,
        b"POST /predict HTTP/1.1\r\nContent-Length: 10\r\n\r\nshort",
    ],
)
def test_what_is_no_request_ends_the_connection_alone(toy: Server, request_bytes: bytes) -> None:
    assert toy.raw(request_bytes) == b""
    assert toy.predictions(1) == {"predictions": [{"y": 2}]}


def test_a_slow_request_does_not_hold_up_others(toy: Server) -> None:
    slow = Connection(toy.name)
    slow.request("POST", "/predict", '{"instances": ["hang"]}')
    assert toy.predictions(1) == {"predictions": [{"y": 2}]}
    slow.close()


def test_sigterm_ends_it_at_once(toy: Server) -> None:
    toy.predictions(1)
    toy.process.send_signal(signal.SIGTERM)
    assert toy.process.wait(10) == 0


def test_a_model_that_does_not_load_is_told_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "broken").touch()
    server = Server(toy_argv(tmp_path))
    assert server.process.wait(30) == 1
    last = server.stop().splitlines()[-1]
    assert json.loads(last.removeprefix(LOAD_FAILED)) == "nothing in it\nat all"


# ---- with TensorFlow


@pytest.fixture(scope="session", params=["1.15", "2.11"])
def python(request: pytest.FixtureRequest) -> str:
    """The interpreter of a runtime."""
    index = PackageIndex.of_user(os.environ)
    runtimes = Runtimes(CACHE, index=index, environment=os.environ)
    return asyncio.run(runtimes.ensure(request.param, "3.7")).python


@pytest.fixture(scope="session")
def models(python: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    subprocess.run(
        [python, "-I", str(HERE / "export_models.py"), str(folder)],
        check=True,
        capture_output=True,
        timeout=EXPORT_S,
    )
    return folder


@pytest.fixture(scope="session")
def serve(python: str, models: Path) -> Iterator[Callable[[str], Server]]:
    """Start a model's server, or answer the one that runs."""
    servers: dict[str, Server] = {}

    def started(name: str) -> Server:
        if name not in servers:
            script = str(SHIMS / "prediction_server.py")
            servers[name] = Server([python, "-I", script, str(models / name)])
        return servers[name]

    yield started
    for server in servers.values():
        server.stop()


@pytest.mark.tensorflow
@pytest.mark.timeout(600)
class TestModel:
    def test_numbers(self, serve: Serve) -> None:
        server = serve("dense")
        expected = {"predictions": [{"y": [6.0]}, {"y": [1.5]}]}
        assert server.predictions([1, 2, 3], [0.5, 1, 0]) == expected
        assert server.predictions({"x": [1, 2, 3]}, {"x": [0.5, 1, 0]}) == expected

    @pytest.mark.parametrize(
        ("instances", "text"),
        [
            ([1, 2], CANNOT_FEED.format("(2,)")),
            ([[1, 2]], CANNOT_FEED.format("(1, 2)")),
            ([[1, 2, 3], [1]], IRREGULAR),
            ([["1", "2", "3"]], IRREGULAR),
            ([None], IRREGULAR),
            ([], "Exception during running the graph: "),
        ],
    )
    def test_instances_that_do_not_fit(self, serve: Serve, instances: Any, text: str) -> None:
        status, answer = serve("dense").ask({"instances": instances})
        assert status == 200
        assert answer["error"].startswith(f"Prediction failed: {text}")

    def test_outputs_of_many_types(self, serve: Serve) -> None:
        instance = {"x": 4, "key": "é", "factor": 3}
        assert serve("forwarded").predictions(instance) == {
            "predictions": [
                {
                    "key": "é",
                    "product": 12,
                    "even": True,
                    "half": 12.0,
                    "root": 2.0,
                    "key_bytes": {"b64": "w6k="},
                }
            ]
        }

    def test_an_input_with_a_default_may_be_missing(self, serve: Serve) -> None:
        (found,) = serve("forwarded").predictions({"x": 4, "key": "k"})["predictions"]
        assert found["product"] == 8

    def test_a_placeholder_that_nobody_feeds(self, serve: Serve) -> None:
        error = serve("forwarded").predictions({"key": "k"})["error"]
        assert error.startswith("Prediction failed: Exception during running the graph: ")

    def test_an_output_that_is_only_forwarded(self, serve: Serve) -> None:
        answer = serve("forwarded").predictions("a", {"b64": "Yg=="}, signature_name="only_key")
        assert answer == {"predictions": [{"key": "a"}, {"key": "b"}]}

    def test_nan_is_written_as_python_does(self, serve: Serve) -> None:
        body = {"instances": [{"x": -1, "key": "k"}]}
        assert str(serve("forwarded").ask(body)[1]["predictions"][0]["root"]) == "nan"

    @pytest.mark.parametrize("number", [1.5, 1 << 63, 1e300])
    def test_nothing_is_rounded_to_an_integer(self, serve: Serve, number: float) -> None:
        error = serve("forwarded").predictions({"x": number, "key": "k"})["error"]
        assert "do not form a regular int64 tensor" in error

    @pytest.mark.parametrize("value", [1, None, True, {"a": "b"}, [["a"], "b"]])
    def test_what_is_no_string(self, serve: Serve, value: Any) -> None:
        error = serve("forwarded").predictions({"x": 1, "key": value})["error"]
        assert error.startswith("Prediction failed: Input mismatch: ")

    def test_a_batch_of_one_for_a_scalar_placeholder(self, serve: Serve) -> None:
        assert serve("scalar").predictions("abc") == {"predictions": [{"length": 3, "zero": "a\0"}]}

    def test_outputs_of_differing_sizes(self, serve: Serve) -> None:
        error = serve("uneven").predictions(1, 2)["error"]
        assert "outputs had differing sizes in the batch (outer) dimension" in error

    def test_many_at_once(self, serve: Serve) -> None:
        server = serve("dense")

        def sums(number: int) -> bool:
            found = server.predictions(*[[number, 1, 1]] * (number + 1))
            return bool(found == {"predictions": [{"y": [number + 2.0]}] * (number + 1)})

        with ThreadPoolExecutor(16) as pool:
            assert all(pool.map(sums, range(64)))

    @pytest.mark.parametrize(
        ("name", "reason"),
        [
            ("untagged", "Failed to load the model due to bad model data. tags: ['serve']\n"),
            ("missing", "Cloud ML only supports TF 1.0 or above and models saved in SavedModel"),
        ],
    )
    def test_models_that_do_not_load(
        self, python: str, models: Path, name: str, reason: str
    ) -> None:
        server = Server([python, "-I", str(SHIMS / "prediction_server.py"), str(models / name)])
        assert server.process.wait(60) == 1
        last = server.stop().splitlines()[-1]
        assert json.loads(last.removeprefix(LOAD_FAILED)).startswith(reason)

    def test_a_damaged_graph_does_not_load(self, python: str, tmp_path: Path) -> None:
        (tmp_path / "saved_model.pb").write_bytes(b"\x12\x05garbage")
        server = Server([python, "-I", str(SHIMS / "prediction_server.py"), str(tmp_path)])
        assert server.process.wait(60) == 1
        assert LOAD_FAILED in server.stop()

    def test_what_this_tensorflow_alone_exports(self, serve: Serve, models: Path) -> None:
        if (models / "contrib").exists():  # an operation of tf.contrib
            image = [[[1.0], [2.0]], [[3.0], [4.0]]]
            assert serve("contrib").predictions(image) == {"predictions": [{"y": [[1.0]]}]}
        else:  # an initialiser among the signatures
            assert serve("modern").predictions([3, 4]) == {"predictions": [{"y": [11.0]}]}
