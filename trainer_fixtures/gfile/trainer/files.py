"""Single files: looked at, written in every way, moved."""

import tensorflow as tf

from trainer.checking import below, gfile, listed, read, refused, same, write


def looking(job_dir):
    base = job_dir + "/looking"
    for name in ("a.txt", "b.txt", "c.csv", "deep/d.txt", "deep/er/e.txt", "deeper/f.txt"):
        write(base + "/" + name, name.encode())
    bucket = "/".join(job_dir.split("/")[:3])
    for folder in (bucket, bucket + "/", base, base + "/", base + "/deep", base + "/deep/er"):
        same((gfile.exists(folder), gfile.isdir(folder)), (True, True), folder)
    same(gfile.isdir(base + "/a.txt"), False)
    for absent in ("/none", "/a", "/a.tx", "/dee", "/a.txt/b"):
        same((gfile.exists(base + absent), gfile.isdir(base + absent)), (False, False), absent)
    found = gfile.stat(base + "/deep/d.txt")
    same(found.length, len("deep/d.txt"))
    same(found.mtime_nsec > 1500000000 * 10 ** 9, True, "the time of the last change")
    same(gfile.stat(base + "/deep").length, 0)
    same(listed(base), ["a.txt", "b.txt", "c.csv", "deep", "deeper"])
    same(listed(base + "/deep/"), ["d.txt", "er"])
    same(below(base, gfile.glob(base + "/*.txt")), ["/a.txt", "/b.txt"])
    same(below(base, gfile.glob(base + "/[bc].*")), ["/b.txt", "/c.csv"])
    same(below(base, gfile.glob(base + "/deep*/?.txt")), ["/deep/d.txt", "/deeper/f.txt"])
    same(below(base, gfile.glob([base + "/a*", base + "/c*"])), ["/a.txt", "/c.csv"])
    same(gfile.glob(base + "/none*"), [])
    walked = [
        (path[len(base) :].rstrip("/"), sorted(n.rstrip("/") for n in inner), sorted(leaves))
        for path, inner, leaves in gfile.walk(base)
    ]
    wanted = [
        ("", ["deep", "deeper"], ["a.txt", "b.txt", "c.csv"]),
        ("/deep", ["er"], ["d.txt"]),
        ("/deep/er", [], ["e.txt"]),
        ("/deeper", [], ["f.txt"]),
    ]
    same(sorted(walked), wanted, "the walk")


def empty(job_dir):
    path = job_dir + "/empty/nothing"
    write(path, b"")
    same((gfile.exists(path), gfile.isdir(path)), (True, False))
    same(gfile.stat(path).length, 0)
    same(read(path), b"")
    same(listed(job_dir + "/empty"), ["nothing"])
    gfile.GFile(job_dir + "/empty/opened", "w").close()  # nothing written: nothing is made
    write(path, b"something")
    same(read(path), b"something")
    write(path, b"")
    same(read(path), b"")


def appending(job_dir):
    path = job_dir + "/appending/log"
    write(path, b"")  # TensorFlow 1.15 appends to what is there only
    for number in range(4):
        with gfile.GFile(path, "a") as file:
            file.write("line %d\n" % number)
    same(read(path), b"line 0\nline 1\nline 2\nline 3\n")
    write(path, b"anew")
    with gfile.GFile(path, "ab") as file:
        file.write(b"\x00\xff")
    same(read(path), b"anew\x00\xff")


def flushing(job_dir):
    """What is flushed is there for everybody, while the file is still open."""
    path = job_dir + "/flushing/events"
    content = b""
    with gfile.GFile(path, "wb") as file:
        for number in range(5):
            piece = b"%d," % number * 5000
            file.write(piece)
            content += piece
            file.flush()
            same(read(path), content, "after %d flushes" % (number + 1))
        file.write(b"the end")
    same(read(path), content + b"the end")


def seeking(job_dir):
    path = job_dir + "/seeking/text"
    write(path, b"first\nsecond\nthird\n")
    with gfile.GFile(path, "r") as file:
        same(file.size(), 19)
        same(file.readline(), "first\n")
        same(file.tell(), 6)
        file.seek(13)
        same(file.read(3), "thi")
        file.seek(0)
        same(list(file), ["first\n", "second\n", "third\n"])
        same(file.read(), "")


def moving(job_dir):
    base = job_dir + "/moving"
    write(base + "/one", b"one")
    gfile.copy(base + "/one", base + "/far/away/copy")
    same((read(base + "/one"), read(base + "/far/away/copy")), (b"one", b"one"))
    gfile.rename(base + "/one", base + "/two")
    same((gfile.exists(base + "/one"), read(base + "/two")), (False, b"one"))
    write(base + "/three", b"three")
    with refused(tf.errors.AlreadyExistsError):
        gfile.rename(base + "/two", base + "/three")
    with refused(tf.errors.AlreadyExistsError):
        gfile.copy(base + "/two", base + "/three")
    same(read(base + "/three"), b"three")
    gfile.copy(base + "/two", base + "/three", overwrite=True)
    same(read(base + "/three"), b"one")
    write(base + "/two", b"two")
    gfile.rename(base + "/two", base + "/three", overwrite=True)
    same(read(base + "/three"), b"two")
    gfile.remove(base + "/three")
    same(listed(base), ["far"])


def missing(job_dir):
    absent = job_dir + "/absent"
    for work in (read, gfile.stat, gfile.remove, gfile.listdir, gfile.rmtree):
        with refused(tf.errors.NotFoundError):
            work(absent)
    with refused(tf.errors.NotFoundError):
        gfile.rename(absent, absent + ".moved")
    with refused(tf.errors.NotFoundError):
        gfile.copy(absent, absent + ".copied")


def missing_bucket(job_dir):
    nowhere = "gs://no-such-bucket-" + "0123456789abcdef"
    same((gfile.exists(nowhere + "/object"), gfile.isdir(nowhere + "/object")), (False, False))
    for bucket in (nowhere, nowhere + "/"):
        same(gfile.isdir(bucket), False, bucket)  # exists() asks for an object's name
    for work in (read, gfile.stat, gfile.listdir):
        with refused(tf.errors.NotFoundError):
            work(nowhere + "/object")
    with refused(tf.errors.NotFoundError, "The specified bucket does not exist"):
        write(nowhere + "/object", b"content")


GROUPS = [
    ("looking", looking),
    ("empty files", empty),
    ("appending", appending),
    ("flushing", flushing),
    ("seeking", seeking),
    ("moving", moving),
    ("missing files", missing),
    ("missing buckets", missing_bucket),
]
