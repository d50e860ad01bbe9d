"""What training leaves: checkpoints, summaries, exported models."""

import tensorflow as tf

from trainer.checking import gfile, listed, same

v1 = tf.compat.v1
v2 = tf.compat.v2


def savers(job_dir):
    """The way of graphs and sessions."""
    folder = job_dir + "/checkpoints/saver"
    with tf.Graph().as_default(), v1.Session() as session:
        weights = v1.get_variable("weights", shape=[1000], initializer=v1.zeros_initializer())
        more = v1.assign_add(weights, tf.ones([1000]))
        saver = v1.train.Saver(max_to_keep=2)
        session.run(v1.global_variables_initializer())
        for step in range(1, 5):
            session.run(more)
            path = saver.save(session, folder + "/model", global_step=step)
        same(path, folder + "/model-4")
        same(v1.train.latest_checkpoint(folder), path)
        kept = [name for name in listed(folder) if name.endswith(".index")]
        same(kept, ["model-3.index", "model-4.index"], "rotation")
        same([name for name in listed(folder) if "temp" in name or ".tmp" in name], [])
        saver.restore(session, folder + "/model-3")
        same(float(session.run(weights)[999]), 3.0)
    with tf.Graph().as_default(), v1.Session() as session:
        saver = v1.train.import_meta_graph(path + ".meta")
        saver.restore(session, path)
        (weights,) = v1.global_variables()
        same(float(session.run(weights)[0]), 4.0)


def checkpoints(job_dir):
    """The way of objects."""
    folder = job_dir + "/checkpoints/manager"
    weights = tf.Variable([0.0] * 1000)
    steps = tf.Variable(0)
    checkpoint = tf.train.Checkpoint(weights=weights, steps=steps)
    manager = tf.train.CheckpointManager(checkpoint, folder, max_to_keep=2)
    for step in range(1, 5):
        weights.assign([float(step)] * 1000)
        steps.assign(step)
        manager.save()
    same(manager.latest_checkpoint, folder + "/ckpt-4")
    same(manager.checkpoints, [folder + "/ckpt-3", folder + "/ckpt-4"])
    kept = [name for name in listed(folder) if name.endswith(".index")]
    same(kept, ["ckpt-3.index", "ckpt-4.index"], "rotation")
    same([name for name in listed(folder) if "temp" in name or ".tmp" in name], [])
    fresh = tf.Variable([0.0] * 1000)
    restored = tf.train.Checkpoint(weights=fresh).restore(tf.train.latest_checkpoint(folder))
    restored.assert_existing_objects_matched()
    same(float(fresh.numpy()[500]), 4.0)
    shapes = dict(tf.train.list_variables(folder + "/ckpt-3"))
    same(shapes["weights/.ATTRIBUTES/VARIABLE_VALUE"], [1000])


def summaries(job_dir):
    folder = job_dir + "/summaries"
    with tf.Graph().as_default():
        writer = v1.summary.FileWriter(folder + "/graphs")
        for step in range(20):
            value = v1.Summary.Value(tag="loss", simple_value=1.0 / (step + 1))
            writer.add_summary(v1.Summary(value=[value]), step)
            if step % 5 == 4:
                writer.flush()
        writer.close()
    found = [(event.step, event.summary.value[0].simple_value) for event in events(folder + "/graphs")]
    same([step for step, _ in found], list(range(20)))
    same(round(found[19][1], 6), 0.05)
    writer = v2.summary.create_file_writer(folder + "/eager")
    with writer.as_default():
        for step in range(20):
            v2.summary.write("loss", tf.constant(float(step)), step=step)
            writer.flush()
    writer.close()
    found = [
        (event.step, float(tf.make_ndarray(event.summary.value[0].tensor)))
        for event in events(folder + "/eager")
    ]
    same(found, [(step, float(step)) for step in range(20)])


def events(folder):
    """The events of a folder that bring values."""
    (name,) = gfile.listdir(folder)
    every = v1.train.summary_iterator(folder + "/" + name)
    return [event for event in every if event.summary.value]


class Doubler(tf.Module):
    def __init__(self):
        super(Doubler, self).__init__()
        self.factor = tf.Variable(2.0)

    @tf.function(input_signature=[tf.TensorSpec([None], tf.float32)])
    def double(self, x):
        return {"y": x * self.factor}


def saved_models(job_dir):
    folder = job_dir + "/models/doubler"
    model = Doubler()
    v2.saved_model.save(model, folder, signatures=model.double)
    same(set(listed(folder)) >= {"saved_model.pb", "variables"}, True, listed(folder))
    same([name for name in listed(folder) if "temp" in name or ".tmp" in name], [])
    loaded = v2.saved_model.load(folder)
    result = loaded.signatures["serving_default"](tf.constant([1.0, 2.5]))
    same(result["y"].numpy().tolist(), [2.0, 5.0])
    with tf.Graph().as_default(), v1.Session() as session:
        graph = v1.saved_model.load(session, ["serve"], folder)
        signature = graph.signature_def["serving_default"]
        feed = {signature.inputs["x"].name: [3.0]}
        same(session.run(signature.outputs["y"].name, feed).tolist(), [6.0])


GROUPS = [
    ("savers", savers),
    ("checkpoints", checkpoints),
    ("summaries", summaries),
    ("saved models", saved_models),
]
