"""Places a graph on two GPUs by hand and runs it in a Session, as TensorFlow 1 programs do."""

import argparse

import tensorflow as tf


def tower(number, batch):
    with tf.device("/gpu:{}".format(number)), tf.variable_scope("model", reuse=tf.AUTO_REUSE):
        weight = tf.get_variable("weight", [], initializer=tf.zeros_initializer())
        return tf.reduce_mean(tf.square(batch * weight - batch * 3.0))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--job-dir", required=True)
    arguments = parser.parse_args()
    tf.logging.set_verbosity(tf.logging.INFO)

    gpus = tf.config.experimental.list_physical_devices("GPU")
    if len(gpus) != 2 or not tf.test.is_gpu_available():
        raise SystemExit("expected two GPUs, found {}".format(gpus))
    parts = tf.split(tf.random.uniform([64], 0.5, 1.0, seed=1), 2)
    loss = tf.add_n([tower(number, part) for number, part in enumerate(parts)])
    train = tf.train.GradientDescentOptimizer(0.2).minimize(loss)
    config = tf.ConfigProto(gpu_options=tf.GPUOptions(allow_growth=True))
    with tf.Session(config=config) as session:
        session.run(tf.global_variables_initializer())
        for _ in range(50):
            session.run(train)
        remaining = session.run(loss)
        if not remaining < 0.01:
            raise SystemExit("did not learn: {}".format(remaining))
        saver = tf.train.Saver()
        saver.save(session, arguments.job_dir.rstrip("/") + "/model.ckpt")
    tf.logging.info("learned on %d GPUs", len(gpus))


if __name__ == "__main__":
    main()
