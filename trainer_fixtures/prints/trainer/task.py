"""Prints what it was given and ends well; needs no framework."""

import json
import os
import sys

print("arguments:", json.dumps(sys.argv[1:]))
print("TF_CONFIG:", os.environ.get("TF_CONFIG", ""))
print("working directory:", os.getcwd())
print("a line on stderr", file=sys.stderr)
