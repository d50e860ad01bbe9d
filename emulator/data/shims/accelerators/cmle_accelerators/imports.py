"""Do something as soon as a module has been imported, and nothing if it never is."""

import importlib.util
import sys


class _Finder(object):
    """Finds nothing itself: it lets the others find, and adds an action to the loader."""

    def __init__(self):
        self.actions = {}

    def find_spec(self, name, path=None, target=None):
        action = self.actions.pop(name, None)
        if action is None:
            return None
        spec = importlib.util.find_spec(name)
        if spec is None or not hasattr(spec.loader, "exec_module"):
            self.actions[name] = action
            return None
        execute = spec.loader.exec_module

        def execute_then_act(module):
            try:
                execute(module)
            except BaseException:
                self.actions[name] = action  # an import that failed may be tried again
                raise
            action()

        spec.loader.exec_module = execute_then_act
        return spec


_finder = _Finder()


def after(name, action):
    """Call ``action()`` once module ``name`` is there: now, or when it is first imported."""
    if name in sys.modules:
        action()
        return
    _finder.actions[name] = action
    if _finder not in sys.meta_path:
        sys.meta_path.insert(0, _finder)
