# -*- coding: utf-8 -*-
"""Names that are hard to carry in a URL, on a disk or in a listing."""

from trainer.checking import below, gfile, listed, read, refused, same, write

import tensorflow as tf

HARD = [
    u"a b",
    u"a+b",
    u"a&b=c",
    u"a%b",
    u"a%2Fb",
    u"a%20b",
    u"a#b",
    u"a?b=c",
    u"a:b;c,d",
    u"a'b\"c",
    u"a\\b",
    u"(a)!~$@",
    u"\u00e9\u010d",
    u"e\u0301",  # the same letter as above, in two code points: another name
    u"\u65e5\u672c\u8a9e",
    u"\U0001f600",
    u".hidden",
    u"...",
    u"UPPER",
    u"upper",
    u"x" * 250,
    u"y" * 700,
]


def names(job_dir):
    folder = job_dir + "/names"
    for number, name in enumerate(HARD):
        path = folder + "/" + name
        content = ("%d: %s" % (number, name)).encode("utf-8")
        write(path, content)
        same(read(path), content, name)
        same(gfile.exists(path), True, name)
        same(gfile.isdir(path), False, name)
        same(gfile.stat(path).length, len(content), name)
    same(listed(folder), sorted(HARD), "the folder")
    for name in HARD:
        write(folder + "/in/" + name + "/leaf", b"leaf")
        same(listed(folder + "/in/" + name), [u"leaf"], name)
    same(listed(folder + "/in"), sorted(HARD), "the folders")
    gfile.rename(folder, job_dir + "/renamed")
    same(gfile.glob(folder + "/*"), [])  # TensorFlow itself remembers the folder for 5 s
    same(listed(job_dir + "/renamed"), sorted(HARD + [u"in"]), "after the renaming")
    for number, name in enumerate(HARD):
        same(read(job_dir + "/renamed/" + name), ("%d: %s" % (number, name)).encode("utf-8"), name)
        gfile.remove(job_dir + "/renamed/" + name)
    same(listed(job_dir + "/renamed"), [u"in"], "after the removals")


def file_and_folder(job_dir):
    """An object does not keep others from having names that go on from its own."""
    base = job_dir + "/both"
    write(base + "/f", b"file")
    write(base + "/f/child", b"child")
    write(base + "/f/child/grandchild", b"grandchild")
    write(base + "/f.txt", b"text")
    same(read(base + "/f"), b"file")
    same(read(base + "/f/child"), b"child")
    same(read(base + "/f/child/grandchild"), b"grandchild")
    same(sorted(set(listed(base))), [u"f", u"f.txt"], "the folder")
    same(sorted(set(listed(base + "/f"))), [u"child"], "the folder of the same name")
    same(below(base, gfile.glob(base + "/f*")), [u"/f", u"/f.txt"], "the pattern")
    gfile.remove(base + "/f")
    same(read(base + "/f/child"), b"child")
    same(gfile.isdir(base + "/f"), True)


def slashes(job_dir):
    """Two slashes name another object than one; dots are names like others."""
    base = job_dir + "/slashes"
    contents = {
        "/a/b": b"one",
        "/a//b": b"two",
        "/a///b": b"three",
        "/a/./b": b"dot",
        "/a/../b": b"dots",
        "/b": b"outside",
    }
    for name, content in contents.items():
        write(base + name, content)
    for name, content in contents.items():
        same(read(base + name), content, name)
        same(gfile.stat(base + name).length, len(content), name)
    if tf.__version__ >= "2":  # TensorFlow 1.15 never ends a search among such names
        same(below(base, gfile.glob(base + "/a//b")), ["/a//b"], "the pattern")
    gfile.remove(base + "/a//b")
    same(gfile.exists(base + "/a//b"), False)
    same(read(base + "/a/b"), b"one")
    same(read(base + "/a///b"), b"three")
    with refused(tf.errors.NotFoundError):
        read(base + "/a//b")


GROUPS = [
    ("names", names),
    ("file and folder of one name", file_and_folder),
    ("slashes", slashes),
]
