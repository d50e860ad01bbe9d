"""A training loop of its own with its own summaries (TensorFlow 2)."""

import numpy as np
import tensorflow as tf


def rides(count, seed):
    """Kilometres and minutes of some rides, and what they cost."""
    random = np.random.RandomState(seed)
    km = random.gamma(2.0, 3.0, count)
    minutes = 3.0 * km + random.gamma(2.0, 2.0, count)
    inputs = np.column_stack([km / 10.0, minutes / 30.0]).astype(np.float32)
    fares = (2.5 + 1.6 * km + 0.3 * minutes).astype(np.float32)
    return tf.data.Dataset.from_tensor_slices((inputs, fares))


class Fares(tf.Module):
    """One hidden layer; served by ``estimate``."""

    def __init__(self, hidden_units):
        super().__init__()
        draw = tf.random.Generator.from_seed(1)
        self.hidden = tf.Variable(draw.normal([2, hidden_units], stddev=0.5), name="hidden")
        self.bias = tf.Variable(tf.zeros([hidden_units]), name="bias")
        self.out = tf.Variable(draw.normal([hidden_units, 1], stddev=0.5), name="out")
        self.base = tf.Variable(tf.zeros([1]), name="base")

    def __call__(self, inputs):
        net = tf.nn.relu(inputs @ self.hidden + self.bias)
        return tf.squeeze(net @ self.out + self.base, axis=1)

    @tf.function(input_signature=[tf.TensorSpec([None, 2], tf.float32, "ride")])
    def estimate(self, ride):
        return {"fare": self(ride)}


def train(arguments):
    model = Fares(arguments.hidden_units)
    optimizer = tf.keras.optimizers.Adam(arguments.learning_rate)

    @tf.function
    def learn(inputs, fares):
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(tf.square(model(inputs) - fares))
        gradients = tape.gradient(loss, model.trainable_variables)
        optimizer.apply_gradients(zip(gradients, model.trainable_variables))
        return loss

    learnt = rides(2000, seed=1).shuffle(2000, seed=1).batch(32)
    unseen, fares = next(iter(rides(500, seed=2).batch(500)))
    writer = tf.summary.create_file_writer(arguments.job_dir + "/eval")
    for epoch in range(1, arguments.epochs + 1):
        for inputs, labels in learnt:
            loss = learn(inputs, labels)
        rmse = tf.sqrt(tf.reduce_mean(tf.square(model(unseen) - fares)))
        print("epoch {}: loss {:.3f}, rmse {:.3f}".format(epoch, float(loss), float(rmse)))
        with writer.as_default():
            tf.summary.scalar("rmse", rmse, step=epoch)  # the tag that the job tunes
    writer.close()
    path = arguments.job_dir + "/export/1"
    tf.saved_model.save(model, path, signatures={"serving_default": model.estimate})
    print("exported to", path)
