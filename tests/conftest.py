"""A small server that keeps what it is told, for the tests of clients."""

import json
import re
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import pytest

from emulator.client import Client

PROJECT = "p"
Answer = tuple[int, Any]


def _missing(what: str) -> Answer:
    message = f"{what} was not found."
    return 404, {"error": {"code": 404, "message": message, "status": "NOT_FOUND"}}


class Keeper:
    """Jobs, log entries, models, versions, operations, buckets and objects, in memory."""

    def __init__(self) -> None:
        self.jobs: dict[str, dict[str, Any]] = {}
        self.states = ["QUEUED", "RUNNING", "SUCCEEDED"]  # one further at every look
        self.entries: list[dict[str, Any]] = []
        self.models: dict[str, dict[str, Any]] = {}
        self.operation_error: dict[str, Any] | None = None
        self.operation_looks = 2
        self.predictions: Answer = (200, {"predictions": []})
        self.clock = {"time": "2020-01-01T00:00:00.5Z", "ahead": "0s", "queueDelay": "0s"}
        self.buckets: dict[str, dict[str, bytes]] = {}
        self.requests: list[tuple[str, str, Any]] = []
        self.page = 2
        self._routes: list[tuple[str, str, Callable[..., Answer]]] = [
            ("POST", "/v1/projects/p/jobs", self._create_job),
            ("GET", "/v1/projects/p/jobs", self._list_jobs),
            ("GET", "/v1/projects/p/jobs/([^:]+)", self._job),
            ("POST", "/v1/projects/p/jobs/(.+):cancel", self._cancel),
            ("POST", "/v2/entries:list", self._entries),
            ("POST", "/v1/projects/p/models", self._create_model),
            ("GET", "/v1/projects/p/models", self._list_models),
            ("GET", "/v1/projects/p/models/([^/:]+)", self._model),
            ("POST", "/v1/projects/p/models/([^/]+)/versions", self._operate),
            ("GET", "/v1/projects/p/models/([^/]+)/versions", self._list_versions),
            ("DELETE", "/v1/projects/p/models/.+", self._operate),
            ("GET", "/v1/projects/p/operations/o", self._operation),
            ("POST", "/v1/projects/p/models/(.+):predict", self._predict),
            ("GET", "/cmle/v1/projects/p/clock", lambda *_: (200, self.clock)),
            ("PATCH", "/cmle/v1/projects/p/clock", self._change_clock),
            ("POST", "/cmle/v1/projects/p/clock:advance", self._advance),
            ("POST", "/storage/v1/b", self._create_bucket),
            ("GET", "/storage/v1/b/([^/]+)", self._bucket),
            ("DELETE", "/storage/v1/b/([^/]+)", self._delete_bucket),
            ("POST", "/upload/storage/v1/b/([^/]+)/o", self._upload),
            ("GET", "/storage/v1/b/([^/]+)/o", self._list_objects),
            ("GET", "/storage/v1/b/([^/]+)/o/([^/]+)", self._object),
            ("DELETE", "/storage/v1/b/([^/]+)/o/([^/]+)", self._delete_object),
        ]

    def answer(self, method: str, target: str, body: bytes) -> Answer:
        parts = urlsplit(target)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        is_upload = parts.path.startswith("/upload")
        document = body if is_upload else json.loads(body or b"null")
        self.requests.append((method, target, document))
        for verb, pattern, handler in self._routes:
            if verb == method and (found := re.fullmatch(pattern, parts.path)):
                return handler(document, query, *map(unquote, found.groups()))
        return _missing(parts.path)

    def _pages(self, key: str, items: list[Any], query: dict[str, str]) -> Answer:
        start = int(query.get("pageToken", "0"))
        answer: dict[str, Any] = {key: items[start : start + self.page]}
        if start + self.page < len(items):
            answer["nextPageToken"] = str(start + self.page)
        return 200, answer

    def _create_job(self, job: dict[str, Any], _: dict[str, str]) -> Answer:
        if job["jobId"] in self.jobs:
            text = "Field: job.job_id Error: A job with this id already exists."
            violation = {"field": "job.job_id", "description": "A job with this id already exists."}
            details = [{"fieldViolations": [violation]}]
            error = {"code": 409, "message": text, "status": "ALREADY_EXISTS", "details": details}
            return 409, {"error": error}
        self.jobs[job["jobId"]] = {**job, "state": "QUEUED", "looks": 0}
        return 200, self.jobs[job["jobId"]]

    def _job(self, _: Any, __: dict[str, str], job_id: str) -> Answer:
        if job_id not in self.jobs:
            return _missing(job_id)
        job = self.jobs[job_id]
        job["state"] = self.states[min(job["looks"], len(self.states) - 1)]
        job["looks"] += 1
        return 200, job

    def _list_jobs(self, _: Any, query: dict[str, str]) -> Answer:
        return self._pages("jobs", list(self.jobs.values()), query)

    def _cancel(self, _: Any, __: dict[str, str], job_id: str) -> Answer:
        self.jobs[job_id]["state"] = "CANCELLED"
        return 200, {}

    def _entries(self, body: dict[str, Any], _: dict[str, str]) -> Answer:
        found = re.search(r'insertId>"([^"]+)"', body["filter"])
        after = found[1] if found else ""
        chosen = [entry for entry in self.entries if entry["insertId"] > after]
        return self._pages("entries", chosen, {"pageToken": body.get("pageToken", "0")})

    def _create_model(self, model: dict[str, Any], _: dict[str, str]) -> Answer:
        name = f"projects/p/models/{model['name']}"
        self.models[name] = {**model, "name": name}
        return 200, self.models[name]

    def _list_models(self, _: Any, query: dict[str, str]) -> Answer:
        return self._pages("models", list(self.models.values()), query)

    def _model(self, _: Any, __: dict[str, str], model_id: str) -> Answer:
        found = self.models.get(f"projects/p/models/{model_id}")
        return (200, found) if found else _missing(model_id)

    def _list_versions(self, _: Any, query: dict[str, str], model_id: str) -> Answer:
        name = f"projects/p/models/{model_id}/versions/v1"
        version = {"name": name, "deploymentUri": "gs://b/m", "state": "READY"}
        return self._pages("versions", [version], query)

    def _operate(self, *_: Any) -> Answer:
        return 200, {"name": "projects/p/operations/o"}

    def _operation(self, *_: Any) -> Answer:
        self.operation_looks -= 1
        if self.operation_looks > 0:
            return self._operate()
        ended = {"error": self.operation_error} if self.operation_error else {"response": {}}
        return 200, {"name": "projects/p/operations/o", "done": True, **ended}

    def _predict(self, *_: Any) -> Answer:
        return self.predictions

    def _change_clock(self, body: dict[str, str], _: dict[str, str]) -> Answer:
        self.clock.update(body)
        return 200, self.clock

    def _advance(self, body: dict[str, str], _: dict[str, str]) -> Answer:
        self.clock["ahead"] = body["duration"]
        return 200, self.clock

    def _create_bucket(self, body: dict[str, Any], _: dict[str, str]) -> Answer:
        if body["name"] in self.buckets:
            return 409, {"error": {"code": 409, "message": "You already own this bucket."}}
        self.buckets[body["name"]] = {}
        return 200, body

    def _bucket(self, _: Any, __: dict[str, str], bucket: str) -> Answer:
        return (200, {"name": bucket}) if bucket in self.buckets else _missing(bucket)

    def _delete_bucket(self, _: Any, __: dict[str, str], bucket: str) -> Answer:
        if self.buckets[bucket]:
            return 409, {"error": {"code": 409, "message": "The bucket is not empty."}}
        del self.buckets[bucket]
        return 200, {}

    def _upload(self, body: bytes, query: dict[str, str], bucket: str) -> Answer:
        if bucket not in self.buckets:
            return _missing(bucket)
        self.buckets[bucket][query["name"]] = body
        return 200, {"name": query["name"], "bucket": bucket, "size": str(len(body))}

    def _list_objects(self, _: Any, query: dict[str, str], bucket: str) -> Answer:
        if bucket not in self.buckets:
            return _missing(bucket)
        stored = sorted(self.buckets[bucket].items())
        prefix = query.get("prefix", "")
        items = [
            {"name": name, "size": str(len(content)), "timeCreated": "2020-01-01T00:00:00Z"}
            for name, content in stored
            if name.startswith(prefix)
        ]
        return self._pages("items", items, query)

    def _object(self, _: Any, query: dict[str, str], bucket: str, name: str) -> Answer:
        if name not in self.buckets.get(bucket, {}):
            return _missing(name)
        content = self.buckets[bucket][name]
        return 200, content if query.get("alt") == "media" else {"name": name}

    def _delete_object(self, _: Any, __: dict[str, str], bucket: str, name: str) -> Answer:
        if self.buckets.get(bucket, {}).pop(name, None) is None:
            return _missing(name)
        return 200, {}


class _Handler(BaseHTTPRequestHandler):
    keeper: Keeper
    protocol_version = "HTTP/1.1"

    def _reply(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        code, document = self.keeper.answer(self.command, self.path, body)
        content = document if isinstance(document, bytes) else json.dumps(document).encode()
        self.send_response(code)
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = do_PATCH = do_DELETE = _reply  # noqa: N815 - http.server's names

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture
def keeper() -> Keeper:
    return Keeper()


@pytest.fixture
def served(keeper: Keeper) -> Iterator[str]:
    """The address of a server that answers for ``keeper``."""
    handler = type("Handler", (_Handler,), {"keeper": keeper})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.daemon_threads = False
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture
def client(served: str) -> Iterator[Client]:
    with Client(served, PROJECT) as client:
        yield client
