"""Writes at every level, on both streams and with text that is hard to carry."""

import logging
import sys

logging.basicConfig(level=logging.DEBUG, stream=sys.stderr)
logging.debug("a debug message")
logging.info("an info message")
logging.warning("a warning message")
logging.error("an error message")
logging.critical("a critical message")
try:
    {}["absent"]
except KeyError:
    logging.exception("a caught exception")
sys.stdout.write("no line end yet")
sys.stdout.flush()
sys.stdout.write(", now it ends\n")
sys.stdout.buffer.write(b"not UTF-8: \xff\xfe\n")
sys.stdout.buffer.flush()
print("long: " + "x" * 20000)
print(u"unicode: \u017elu\u0165ou\u010dk\u00fd k\u016f\u0148")
sys.stdout.write("the last line has no end")
