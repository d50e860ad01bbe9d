"""pip as the service ran it: with --user, also where the interpreter is of a virtual environment.

Runs on the runtime's own Python (2.7 on) and pip. What a virtual environment takes away is
given back within this process: the user's site is on, comes first, and lies below
PYTHONUSERBASE; the environment itself is never written to.
"""

import os
import runpy
import site
import sys


def use_user_site():
    sys.base_prefix = sys.prefix  # pip would refuse --user otherwise
    sys.base_exec_prefix = sys.exec_prefix
    site.ENABLE_USER_SITE = True
    site.getuserbase()
    folder = site.getusersitepackages()
    if not os.path.isdir(folder):
        os.makedirs(folder)
    before = list(sys.path)
    site.addsitedir(folder)
    sys.path[:] = [path for path in sys.path if path not in before] + before


def main():
    del sys.path[0]  # this file's folder
    use_user_site()
    try:
        from pip._internal.cli import req_command
    except ImportError:
        pass  # an older pip, without the warning
    else:
        req_command.warn_if_run_as_root = lambda: None  # it is only root in its sandbox
    sys.argv[0] = "pip3"
    runpy.run_module("pip", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
