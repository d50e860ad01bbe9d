"""Imports what neither the runtime nor its setup.py brings."""

import a_module_that_nobody_brought

print(a_module_that_nobody_brought)
