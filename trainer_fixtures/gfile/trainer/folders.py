"""Folders, which Cloud Storage does not have: made, moved, removed."""

from trainer.checking import below, gfile, listed, read, same, write


def empty_folders(job_dir):
    folder = job_dir + "/folders/made"
    gfile.makedirs(job_dir + "/folders")
    gfile.mkdir(folder)
    same((gfile.exists(folder), gfile.isdir(folder)), (True, True))
    same(gfile.isdir(folder + "/"), True)
    same(listed(folder), [])
    same(listed(job_dir + "/folders"), ["made"])
    gfile.mkdir(folder)  # TensorFlow does not mind
    gfile.makedirs(folder + "/in/side")
    gfile.makedirs(folder + "/in/side")
    same(listed(folder), ["in"])
    same(listed(folder + "/in"), ["side"])
    same(listed(folder + "/in/side"), [])
    write(folder + "/in/file", b"file")
    same(listed(folder + "/in"), ["file", "side"])
    gfile.remove(folder + "/in/file")
    same(gfile.isdir(folder + "/in"), True)


def moving_folders(job_dir):
    base = job_dir + "/moved"
    gfile.makedirs(base + "/from/empty")
    for name in ("a", "b c", "deep/d"):
        write(base + "/from/" + name, name.encode())
    gfile.rename(base + "/from", base + "/to")
    same(gfile.exists(base + "/from"), False)
    same(listed(base + "/to"), ["a", "b c", "deep", "empty"])
    for name in ("a", "b c", "deep/d"):
        same(read(base + "/to/" + name), name.encode())


def removing_folders(job_dir):
    base = job_dir + "/removed"
    gfile.makedirs(base + "/tree/empty")
    for name in ("a", "deep/b", "deep/er/c"):
        write(base + "/tree/" + name, b"")
    write(base + "/tree.txt", b"stays")
    same(below(base, gfile.glob(base + "/tree/deep/*")), ["/tree/deep/b", "/tree/deep/er"])
    gfile.rmtree(base + "/tree")
    same((gfile.exists(base + "/tree"), gfile.isdir(base + "/tree")), (False, False))
    same(listed(base), ["tree.txt"])


GROUPS = [
    ("empty folders", empty_folders),
    ("moving folders", moving_folders),
    ("removing folders", removing_folders),
]
