"""A file of one byte more than TensorFlow asks for in one request."""

import hashlib

from trainer.checking import gfile, same

MIB = 1024 * 1024
SIZE = 64 * MIB + 1


def large(job_dir):
    path = job_dir + "/large"
    written = hashlib.sha256()
    with gfile.GFile(path, "wb") as file:
        for number in range(64):
            piece = hashlib.sha512(b"%d" % number).digest() * (MIB // 64)
            written.update(piece)
            file.write(piece)
        written.update(b"!")
        file.write(b"!")
    same(gfile.stat(path).length, SIZE)
    found = hashlib.sha256()
    lengths = []
    with gfile.GFile(path, "rb") as file:
        while True:
            piece = file.read(4 * MIB)
            if not piece:
                break
            lengths.append(len(piece))
            found.update(piece)
    same(lengths, [4 * MIB] * 16 + [1], "the pieces")
    same(found.hexdigest(), written.hexdigest(), "what was read")
    with gfile.GFile(path, "rb") as file:
        file.seek(SIZE - 3)
        same(file.read(100)[-1:], b"!")


GROUPS = [("large files", large)]
