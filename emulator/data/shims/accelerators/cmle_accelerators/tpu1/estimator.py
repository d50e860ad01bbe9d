"""TPUEstimator: TensorFlow's own TPU code checks the program, its CPU code runs it.

A real TPUEstimator with ``use_tpu=False`` already runs everything on the CPU with the global
batch. The stub lets it take that way although ``use_tpu`` is True, and before each mode's
first run builds the TPU's step in a graph of its own: TensorFlow's checks of batch sizes,
static shapes, specs and the CrossShardOptimizer all apply.
"""

from tensorflow_estimator.python.estimator.tpu import tpu_context, tpu_estimator

from cmle_accelerators.replacing import method
from cmle_accelerators.tpu1 import checking, model_check


def install():
    method(tpu_context._InternalTPUContext, "is_running_on_cpu", _really_on_cpu)
    method(tpu_estimator._ModelFnWrapper, "call_without_tpu", _checked_first)
    for name in ("_convert_train_steps_to_hooks", "_convert_eval_steps_to_hooks"):
        method(tpu_estimator.TPUEstimator, name, _steps_checked)
    method(tpu_estimator.TPUEstimator, "_call_input_fn", _with_context)
    method(tpu_estimator.TPUEstimator, "__init__", _batch_axis_kept)


def _really_on_cpu(original):
    def is_running_on_cpu(self, is_export_mode=False):
        chosen = original(self, is_export_mode)  # checks batch sizes where a TPU would run
        return chosen or not checking.active()

    return is_running_on_cpu


def for_tpu(context, is_export_mode=False):
    """Whether a real TPUEstimator would use the TPU here."""
    with checking.as_on_tpu():
        return not context.is_running_on_cpu(is_export_mode)


def _checked_first(original):
    def call_without_tpu(self, features, labels, is_export_mode):
        if not for_tpu(self._ctx, is_export_mode):
            return original(self, features, labels, is_export_mode)
        done = self._ctx.__dict__.setdefault("_checked_modes", set())
        if self._ctx.mode not in done:
            done.add(self._ctx.mode)
            model_check.check(self, features, labels)
        with _parameters_of_tpu(self._ctx, call_from_input_fn=False):
            return original(self, features, labels, is_export_mode)

    return call_without_tpu


def _steps_checked(original):
    def convert(self, *steps):
        with checking.as_on_tpu():
            original(self, *steps)  # a TPU needs a number of steps; its hooks are not used
        return original(self, *steps)

    return convert


def _with_context(original):
    def call_input_fn(self, input_fn, mode):
        with self._ctx.with_mode(mode) as context:
            if not for_tpu(context):
                return original(self, input_fn, mode)
            with _parameters_of_tpu(context, call_from_input_fn=True):
                return original(self, input_fn, mode)

    return call_input_fn


def _batch_axis_kept(original):
    def __init__(self, *arguments, **options):
        original(self, *arguments, **options)
        self._ctx._batch_axis = options.get("batch_axis")
        self._ctx._checked_modes = set()

    return __init__


class _parameters_of_tpu(object):
    """``params['use_tpu']`` and ``params['context']`` as on a TPU, batch sizes as they are."""

    def __init__(self, context, call_from_input_fn):
        self._added = {"use_tpu": True, "context": _user_context(context, call_from_input_fn)}

    def __enter__(self):
        self._original = original = tpu_estimator._add_item_to_params

        def add(params, key, value):
            original(params, key, self._added.get(key, value))
            if key == "batch_size" or key == "use_tpu":
                original(params, "context", self._added["context"])

        tpu_estimator._add_item_to_params = add

    def __exit__(self, *error):
        tpu_estimator._add_item_to_params = self._original


def _user_context(context, call_from_input_fn):
    if call_from_input_fn:
        return tpu_context.TPUContext(
            internal_ctx=context,
            input_device="/device:CPU:0",
            invocation_index=0,
            call_from_input_fn=True,
        )
    return tpu_context.TPUContext(internal_ctx=context, call_from_input_fn=False)
