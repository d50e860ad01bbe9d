"""Short words for what the groups do all the time."""

import contextlib

import tensorflow as tf

gfile = tf.io.gfile


def same(found, wanted, what=""):
    if found != wanted:
        raise AssertionError("%s: found %r, wanted %r" % (what, found, wanted))


@contextlib.contextmanager
def refused(kind, text=""):
    """The block has to end in this error of TensorFlow's, with these words in it."""
    try:
        yield
    except kind as error:
        if text not in str(error):
            raise
    else:
        raise AssertionError("%s was expected" % kind.__name__)


def write(path, content):
    with gfile.GFile(path, "wb") as file:
        file.write(content)


def read(path):
    with gfile.GFile(path, "rb") as file:
        return file.read()


def listed(folder):
    """The names in a folder, sorted; folders without the slash that TensorFlow leaves there."""
    return sorted(name.rstrip("/") for name in gfile.listdir(folder))


def below(base, paths):
    """Paths below ``base`` as they go on from there, sorted."""
    for path in paths:
        if not path.startswith(base):
            raise AssertionError("%r does not begin with %r" % (path, base))
    return sorted(path[len(base) :] for path in paths)
