"""One model version's server: JSON over HTTP on an inherited unix socket, TensorFlow behind it.

Run as ``python prediction_server.py MODEL_DIR`` inside a runtime (Python 3.7, TensorFlow 1.15 and later),
with a listening stream socket as file descriptor 3 and the number of threads in OMP_NUM_THREADS. If the
model cannot be loaded, the last line on stderr is LOAD_FAILED and a JSON string.

    GET /health    200 once the model is loaded; before that, nobody answers
    POST /predict  the request's body of projects.predict, answered with its response's body
"""

import json
import os
import signal
import socket
import struct
import sys
import threading
import warnings

sys.path.append(os.path.dirname(os.path.abspath(__file__)))  # python -I leaves it out

from prediction_rules import (  # noqa: E402
    PredictionError,
    Signature,
    Tensor,
    answer,
    as_bytes,
    blame_shape,
)

LOAD_FAILED = "cmle-prediction-server: load failed: "
TAGS = ["serve"]
MAX_BODY = 16 << 20  # the service's own limit is the caller's to enforce
MAX_HEAD = 64 << 10
MAX_DIGITS = 12  # of a Content-Length
MAX_CALLABLES = 64  # compiled calls kept, one for each set of inputs that was fed
SOCKET_FD = 3


class LoadError(Exception):
    """A model that cannot be served."""


class Model:
    """A loaded SavedModel. ``run`` may be called from several threads at once."""

    def __init__(self, directory, threads):
        import numpy
        import tensorflow
        from tensorflow.core.protobuf import config_pb2

        self._np = numpy
        self._tensorflow = tensorflow
        self._tf = tensorflow.compat.v1
        self._options = config_pb2.CallableOptions()
        # With one thread, the request's own thread runs the graph: a tenth of the time of a hand-over.
        self._options.run_options.inter_op_thread_pool = -1 if threads == 1 else 0
        self._config = self._tf.ConfigProto(
            intra_op_parallelism_threads=threads, inter_op_parallelism_threads=threads
        )
        self._calls = {}
        if not self._tf.saved_model.loader.maybe_saved_model_directory(directory):
            raise LoadError(
                "Cloud ML only supports TF 1.0 or above and models saved in SavedModel format."
            )
        try:
            meta_graph = self._load(directory)
        except Exception as error:  # whatever a broken model makes TensorFlow raise
            raise LoadError(
                "Failed to load the model due to bad model data. tags: %s\n%s" % (TAGS, error)
            )
        self.signatures = {}
        for name, signature in meta_graph.signature_def.items():
            try:
                self.signatures[name] = Signature(
                    {a: self._tensor(info) for a, info in sorted(signature.inputs.items())},
                    {a: self._tensor(info) for a, info in sorted(signature.outputs.items())},
                )
            except (KeyError, ValueError) as error:  # such as the initialiser's: it has no tensor
                _log("Signature %s cannot be served: %s" % (name, error))
        if not self.signatures:
            raise LoadError("MetaGraph must have at least one signature_def.")

    def _load(self, directory):
        extra = os.path.join(directory, "assets.extra")  # operations that the user compiled
        for name in sorted(os.listdir(extra)) if os.path.isdir(extra) else ():
            if name.endswith(".so"):
                try:
                    self._tensorflow.load_op_library(os.path.join(extra, name))
                except (RuntimeError, self._tf.errors.OpError) as error:
                    _log("Failed to load custom op %s: %s" % (name, error))
        try:
            return self._load_graph(directory)
        except (ValueError, KeyError, self._tf.errors.NotFoundError) as error:
            if "registered" not in str(error) or not self._tf.VERSION.startswith("1."):
                raise
        import tensorflow.contrib  # seconds, so only for a graph with its operations

        dir(tensorflow.contrib)
        return self._load_graph(directory)

    def _load_graph(self, directory):
        self._session = self._tf.Session(graph=self._tf.Graph(), config=self._config)
        with self._session.graph.as_default():
            return self._tf.saved_model.loader.load(self._session, TAGS, directory)

    def _tensor(self, info):
        tensor = self._session.graph.get_tensor_by_name(info.name)
        if info.dtype and info.dtype != tensor.dtype.as_datatype_enum:
            raise ValueError("%s is %s in the graph" % (info.name, tensor.dtype.name))
        shape = None if tensor.shape.ndims is None else tensor.shape.as_list()
        return Tensor(info.name, tensor.dtype.base_dtype.name, shape)

    def run(self, signature, batch):
        """``{alias: list}`` of outputs for ``{alias: list of values}``."""
        arrays = {a: self._array(a, v, signature.inputs[a].dtype) for a, v in batch.items()}
        feeds = {signature.inputs[alias].name: array for alias, array in arrays.items()}
        try:
            results = self._run(feeds, [tensor.name for tensor in signature.outputs.values()])
        except self._tf.errors.ResourceExhaustedError:
            raise MemoryError()
        except Exception as error:  # what a model's operations may raise has no bounds
            for alias, array in arrays.items():
                blame_shape(signature.inputs[alias], array.shape)
            raise PredictionError("Exception during running the graph: %s" % error)
        return {alias: self._values(results[t.name]) for alias, t in signature.outputs.items()}

    def _run(self, feeds, fetches):
        """Values of tensors by name. A compiled call takes a tenth of session.run's time and, like
        the service's C++ server, it lets a batch of one into a scalar placeholder."""
        fed = sorted(feeds)
        wanted = sorted(set(fetches).difference(fed))  # a forwarded key is fed and fetched
        if not wanted:
            return feeds
        key = (tuple(fed), tuple(wanted))
        call = self._calls.get(key)
        if call is None:
            options = type(self._options)()
            options.CopyFrom(self._options)
            options.feed.extend(fed)
            options.fetch.extend(wanted)
            call = self._session._make_callable_from_options(options)
            if len(self._calls) < MAX_CALLABLES:
                self._calls[key] = call
        results = dict(feeds)
        results.update(zip(wanted, call(*[feeds[name] for name in fed])))
        return results

    def _array(self, alias, values, dtype):
        """A batch of one input as TensorFlow takes it; nothing is rounded or guessed."""
        np = self._np
        if dtype == "string":
            try:
                array = np.array(as_bytes(values), dtype=object)
            except ValueError:
                array = np.empty(1, object)
            if not all(isinstance(item, bytes) for item in array.flat):
                raise PredictionError(
                    "Input mismatch: the values of %s do not form a regular tensor of strings."
                    % alias
                )
            return array
        wanted = np.dtype(self._tf.as_dtype(dtype).as_numpy_dtype)
        try:
            array = np.asarray(values)
            if array.dtype.kind in "biuf":
                cast = array.astype(wanted)
                if array.size == 0 or wanted.kind not in "iu" or (cast == array).all():
                    return cast
        except (ValueError, OverflowError):
            pass
        raise PredictionError(
            "Input mismatch: the values of %s do not form a regular %s tensor: %s"
            % (alias, dtype, json.dumps(values, default=repr)[:200])
        )

    def _values(self, output):
        if isinstance(output, bytes):  # NumPy's own strings lose trailing zero bytes
            return [output]
        array = self._np.asarray(output)
        if array.dtype.kind == "V" or array.dtype.name == "bfloat16":
            array = array.astype(self._np.float32)
        return array.tolist() if array.ndim else [array.tolist()]


# ---- HTTP/1.1 on a stream socket, a thread a connection


def serve(listener, model):
    """Answer connections for ever."""
    while True:
        connection, _ = listener.accept()
        if _is_friend(connection):
            threading.Thread(target=_connection, args=(connection, model), daemon=True).start()
        else:
            connection.close()


def _is_friend(connection):
    """Only this user and root may ask: an abstract socket has no file permissions.

    A container's port is on a network of its own, where nobody is but who serves it.
    """
    if isinstance(connection.getsockname(), tuple):
        return True
    credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
    return struct.unpack("3i", credentials)[1] in (0, os.getuid())


def _connection(connection, model):
    with connection, connection.makefile("rb") as stream:
        try:
            while _exchange(connection, stream, model):
                pass
        except OSError:
            pass  # the other side went away


def _exchange(connection, stream, model):
    """Answer one request; True if the connection can take another."""
    head = _head(stream)
    if head is None:
        return False
    method, target, headers = head
    length = headers.get(b"content-length", b"0")
    if not length.isdigit() or b"transfer-encoding" in headers:
        _send(connection, 411, b'{"error": "A Content-Length is needed."}', False)
        return False
    if len(length) > MAX_DIGITS or int(length) > MAX_BODY:
        _send(connection, 413, b'{"error": "The body is too large."}', False)
        return False
    body = stream.read(int(length))
    if len(body) < int(length):
        return False
    if target == b"/predict" and method == b"POST":
        status, body = answer(model, body)
    elif target == b"/health" and method == b"GET":
        status, body = 200, json.dumps({"signatures": sorted(model.signatures)}).encode("ascii")
    else:
        status, body = 404, b'{"error": "GET /health or POST /predict."}'
    keep = headers.get(b"connection", b"").lower() != b"close"
    _send(connection, status, body, keep)
    return keep


def _head(stream):
    """Method, target and headers (lower-case names) of the next request; None at the end."""
    line = stream.readline(MAX_HEAD)
    parts = line.split()
    if len(parts) != 3 or not line.endswith(b"\n"):
        return None
    headers = {}
    left = MAX_HEAD - len(line)
    while True:
        line = stream.readline(max(left, 0))
        left -= len(line)
        if line in (b"\r\n", b"\n"):
            return parts[0], parts[1], headers
        name, colon, value = line.partition(b":")
        if not colon or not line.endswith(b"\n"):
            return None
        headers[name.strip().lower()] = value.strip()


REASONS = {200: b"OK", 400: b"Bad Request", 404: b"Not Found", 503: b"Service Unavailable"}


def _send(connection, status, body, keep):
    connection.sendall(
        b"HTTP/1.1 %d %s\r\ncontent-type: application/json; charset=UTF-8\r\n"
        b"content-length: %d\r\nconnection: %s\r\n\r\n%s"
        % (
            status,
            REASONS.get(status, b"Error"),
            len(body),
            b"keep-alive" if keep else b"close",
            body,
        )
    )


# ---- the process


def _log(text):
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


def _main(directory, threads):
    """Load and serve; never returns."""
    status = 1
    try:
        # NumPy of 2020 warns of ragged lists, that of 2023 raises: both are an input mismatch here
        warnings.simplefilter("ignore")
        model = Model(directory, threads)
        _log("Serving %s: %s" % (directory, ", ".join(sorted(model.signatures))))
        serve(socket.socket(fileno=SOCKET_FD), model)
    except LoadError as error:
        _log(LOAD_FAILED + json.dumps(str(error)))
    except BaseException as error:
        import traceback

        traceback.print_exc()
        _log(LOAD_FAILED + json.dumps("%s: %s" % (type(error).__name__, error)))
    finally:
        os._exit(status)


def main():
    """Loading may sit in C++ for long, so it has a thread and the signals have the first one."""
    stop = {signal.SIGTERM, signal.SIGINT}
    signal.pthread_sigmask(signal.SIG_BLOCK, stop)
    threads = int(os.environ.get("OMP_NUM_THREADS", "1"))
    threading.Thread(target=_main, args=(sys.argv[1], threads), daemon=True).start()
    signal.sigwait(stop)
    os._exit(0)


if __name__ == "__main__":
    main()
