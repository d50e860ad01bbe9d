"""tf.data over gs://, as input functions read it."""

import tensorflow as tf

from trainer.checking import below, gfile, read, refused, same, write


def values(dataset):
    return [item.numpy() for item in dataset]


def records(job_dir):
    wanted = [b"record %d " % number * (number * 7 % 50) for number in range(500)]
    paths = {}
    for kind in ("", "GZIP"):
        paths[kind] = path = job_dir + "/records/data.tfrecord" + kind
        with tf.io.TFRecordWriter(path, options=kind or None) as writer:
            for record in wanted:
                writer.write(record)
        same(values(tf.data.TFRecordDataset(path, compression_type=kind)), wanted, path)
    same(gfile.stat(paths["GZIP"]).length < gfile.stat(paths[""]).length // 5, True, "gzip")
    both = tf.data.TFRecordDataset([paths[""], paths[""]], num_parallel_reads=2)
    same(sorted(values(both)), sorted(wanted * 2))
    write(paths[""] + ".cut", read(paths[""])[:-5])
    with refused(tf.errors.DataLossError):
        values(tf.data.TFRecordDataset(paths[""] + ".cut"))


def text_lines(job_dir):
    base = job_dir + "/lines"
    lines = [("%d,%d" % (number, number ** 2)).encode() for number in range(3000)]
    for number in range(3):
        shard = lines[number * 1000 : (number + 1) * 1000]
        write("%s/data-%d.csv" % (base, number), b"\n".join([b"a,b"] + shard) + b"\n")
    paths = sorted(gfile.glob(base + "/data-*.csv"))
    found = []
    for path in paths:
        found += values(tf.data.TextLineDataset(path).skip(1))
    same(found, lines)
    same(len(values(tf.data.TextLineDataset(paths))), 3003)
    write(base + "/no-end", b"first\r\nsecond\n\nlast")
    same(
        values(tf.data.TextLineDataset(base + "/no-end")), [b"first", b"second", b"", b"last"]
    )
    write(base + "/empty", b"")
    same(values(tf.data.TextLineDataset(base + "/empty")), [])
    with refused(tf.errors.NotFoundError):
        values(tf.data.TextLineDataset(base + "/absent"))


def lists(job_dir):
    base = job_dir + "/lists"
    names = ["/shard-%d of 6" % number for number in range(6)]
    for name in names:
        write(base + name, name.encode())
    write(base + "/other", b"other")
    paths = tf.data.Dataset.list_files(base + "/shard-*", shuffle=False)
    same(below(base, [path.decode() for path in values(paths)]), names)
    read_all = paths.interleave(tf.data.TextLineDataset, cycle_length=4)
    same(sorted(values(read_all)), [name.encode() for name in names])
    same(values(paths.map(tf.io.read_file)), [name.encode() for name in names])
    with refused(tf.errors.InvalidArgumentError, "No files matched pattern"):
        values(tf.data.Dataset.list_files(base + "/none-*"))


GROUPS = [("records", records), ("text lines", text_lines), ("lists of files", lists)]
