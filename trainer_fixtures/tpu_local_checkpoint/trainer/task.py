"""Saves a checkpoint into the working directory, which a TPU's host cannot reach."""

import tensorflow as tf


def main():
    resolver = tf.distribute.cluster_resolver.TPUClusterResolver()
    tf.config.experimental_connect_to_cluster(resolver)
    tf.tpu.experimental.initialize_tpu_system(resolver)
    strategy = tf.distribute.TPUStrategy(resolver)
    with strategy.scope():
        weight = tf.Variable(1.0)
    print("before the checkpoint")
    tf.train.Checkpoint(weight=weight).save("checkpoints/model")
    print("never printed")


if __name__ == "__main__":
    main()
