"""Calls Python inside the training step: a TPU cannot compile that, and the job must fail."""

import tensorflow as tf


def main():
    resolver = tf.distribute.cluster_resolver.TPUClusterResolver()
    tf.config.experimental_connect_to_cluster(resolver)
    tf.tpu.experimental.initialize_tpu_system(resolver)
    strategy = tf.distribute.TPUStrategy(resolver)

    def step(batch):
        return tf.py_function(lambda tensor: tensor * 2, [batch], tf.float32)

    @tf.function
    def train(iterator):
        return strategy.run(step, args=(next(iterator),))

    dataset = tf.data.Dataset.from_tensor_slices(tf.ones([64, 4])).batch(64, drop_remainder=True)
    print("before the step")
    train(iter(strategy.experimental_distribute_dataset(dataset)))
    print("never printed")


if __name__ == "__main__":
    main()
