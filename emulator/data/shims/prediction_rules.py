"""The service's rules of a prediction request, on plain values (service reference section 8).

Imported by the server inside a runtime: standard library, Python 3.7, no TensorFlow and no NumPy.
"""

import base64
import binascii
import json

FAILURE_STATUS = 200  # of {"error": "Prediction failed: ..."}; some clients report 400 [unverified]
NO_MEMORY_STATUS = 503
DEFAULT_SIGNATURE = "serving_default"


class PredictionError(Exception):
    """A request that the model cannot answer; the text follows ``Prediction failed: ``."""


class BadRequest(Exception):
    """A body that is no prediction request."""


class Signature:
    """Inputs and outputs by alias, each with .name (in the graph), .dtype (a name) and .shape."""

    def __init__(self, inputs, outputs):
        self.inputs = inputs
        self.outputs = outputs
        self.takes_strings = any(t.dtype == "string" for t in inputs.values())


class Tensor:
    """``shape`` is a list of int or None, or None for an unknown rank."""

    def __init__(self, name, dtype, shape):
        self.name = name
        self.dtype = dtype
        self.shape = shape


def parse(body):
    """The instances and the signature's name (or None) of a request; other fields are let pass."""
    try:
        request = json.loads(body)
    except RecursionError:
        raise BadRequest("Invalid JSON payload received. The values are nested too deeply.")
    except ValueError as error:  # also what is not UTF-8
        raise BadRequest("Invalid JSON payload received. %s" % error)
    if not isinstance(request, dict):
        raise BadRequest("Invalid JSON payload received. The request is not an object.")
    if "instances" not in request:
        raise BadRequest('Missing "instances" field in request body.')
    name = request.get("signature_name")
    if name is not None and not isinstance(name, str):
        raise BadRequest('The "signature_name" field of the request body is not a string.')
    return request["instances"], name


def choose(signatures, name):
    """The named signature; without a name the only one, else serving_default."""
    if not name and len(signatures) == 1:
        return next(iter(signatures.values()))
    try:
        return signatures[name or DEFAULT_SIGNATURE]
    except KeyError:
        raise PredictionError("No signature found for signature key %s." % name)


def decode_base64(value):
    """Replace every object whose one key is b64 by its bytes."""
    if isinstance(value, list):
        return [decode_base64(item) for item in value]
    if isinstance(value, dict):
        if len(value) == 1 and "b64" in value:
            try:
                return base64.b64decode(value["b64"])
            except (binascii.Error, ValueError, TypeError) as error:
                raise PredictionError("Error processing input: invalid base64: %s" % error)
        return {key: decode_base64(item) for key, item in value.items()}
    return value


def name_inputs(instances, signature):
    """Instances as objects keyed by input alias; with one input, bare values are let in."""
    if len(signature.inputs) == 1:
        (alias,) = signature.inputs
        if not isinstance(instances, list):
            instances = [instances]
        return [_name_input(instance, alias) for instance in instances]
    aliases = ", ".join(sorted(signature.inputs))
    if not isinstance(instances, list):
        raise PredictionError("Input mismatch: instances is not a list (inputs: %s)." % aliases)
    for instance in instances:
        if not isinstance(instance, dict):
            raise PredictionError(
                "Input mismatch: an instance of this model is an object with the keys %s, "
                "got %s." % (aliases, json.dumps(instance, default=repr)[:100])
            )
    return instances


def _name_input(instance, alias):
    if not isinstance(instance, dict):
        return {alias: instance}
    if len(instance) == 1 and alias in instance:
        return instance
    raise PredictionError(
        "Expected tensor name: %s, got tensor name: %s." % (alias, list(instance))
    )


def columns(instances, signature):
    """One list of values an input that any instance names."""
    batch = {}
    for instance in instances:
        for alias, value in instance.items():
            batch.setdefault(alias, []).append(value)
    for alias, values in batch.items():
        if alias not in signature.inputs:
            raise PredictionError("Unexpected tensor name: %s" % alias)
        if len(values) != len(instances):
            raise PredictionError("Input %s was missing in at least one input instance." % alias)
    return batch


def rows(outputs, signature):
    """One object an instance from ``{alias: list of values}``; bytes become JSON."""
    sizes = {alias: len(values) for alias, values in outputs.items()}
    if len(set(sizes.values())) > 1:
        raise PredictionError(
            "Bad output from running tensorflow session: outputs had differing sizes in the batch "
            "(outer) dimension. See the outputs and their size: %s. Check your model for bugs that "
            "effect the size of the outputs." % sizes
        )
    try:
        for alias, values in outputs.items():
            if signature.outputs[alias].dtype == "string":
                outputs[alias] = _encode(values, alias.endswith("_bytes"))
    except UnicodeDecodeError as error:
        raise PredictionError("Prediction failed during encoding instances: %s" % error)
    aliases = list(outputs)
    return [dict(zip(aliases, row)) for row in zip(*outputs.values())]


def _encode(value, binary):
    if isinstance(value, list):
        return [_encode(item, binary) for item in value]
    if isinstance(value, str):
        value = value.encode("utf-8")
    return {"b64": base64.b64encode(value).decode("ascii")} if binary else value.decode("utf-8")


def answer(model, body):
    """Status and body for a request's body."""
    try:
        instances, name = parse(body)
        signature = choose(model.signatures, name)
        if signature.takes_strings:
            instances = decode_base64(instances)
        batch = columns(name_inputs(instances, signature), signature)
        result = {"predictions": rows(model.run(signature, batch), signature)}
        return 200, json.dumps(result).encode("ascii")  # NaN and Infinity as Python writes them
    except BadRequest as error:
        fault = {"code": 400, "message": str(error), "status": "INVALID_ARGUMENT"}
        return 400, json.dumps({"error": fault}).encode("ascii")
    except PredictionError as error:
        return FAILURE_STATUS, _failed("Prediction failed: %s" % error)
    except MemoryError:
        text = "Prediction server is out of memory, possibly because model size is too big."
        return NO_MEMORY_STATUS, _failed(text)
    except RecursionError:
        return FAILURE_STATUS, _failed("Prediction failed: Input mismatch: nested too deeply.")
    except (TypeError, ValueError) as error:  # a type that JSON does not have
        text = "Prediction failed: Prediction failed during encoding instances: %s" % error
        return FAILURE_STATUS, _failed(text)


def _failed(text):
    return json.dumps({"error": text}).encode("ascii")


def as_bytes(value):
    if isinstance(value, list):
        return [as_bytes(item) for item in value]
    if isinstance(value, str):
        return value.encode("utf-8", "surrogatepass")
    if isinstance(value, bytes):
        return value
    raise PredictionError(
        "Input mismatch: Expected string, got %s of type %r instead."
        % (json.dumps(value, default=repr)[:100], type(value).__name__)
    )


def blame_shape(tensor, shape):
    """After a failed run: say so if an input does not have the shape that the model declares."""
    if tensor.shape is None:
        return
    if len(tensor.shape) != len(shape) or any(
        wanted not in (None, size) for wanted, size in zip(tensor.shape, shape)
    ):
        declared = ", ".join("?" if size is None else str(size) for size in tensor.shape)
        raise PredictionError(
            "Input mismatch: Cannot feed value of shape %r for Tensor %r, which has shape %r"
            % (shape, tensor.name, "(%s%s)" % (declared, "," if len(tensor.shape) == 1 else ""))
        )
