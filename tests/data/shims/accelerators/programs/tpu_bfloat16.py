"""A layer of the policy mixed_bfloat16 on a TPU: computed in 16 bits, its variables in 32."""

import outcomes
import tensorflow as tf
from outcomes import check, report

outcomes.listen()
resolver = tf.distribute.cluster_resolver.TPUClusterResolver()
tf.config.experimental_connect_to_cluster(resolver)
tf.tpu.experimental.initialize_tpu_system(resolver)
strategy = tf.distribute.TPUStrategy(resolver)
tf.keras.mixed_precision.set_global_policy("mixed_bfloat16")
with strategy.scope():
    layer = tf.keras.layers.Dense(1, kernel_initializer="ones")
    layer.build([None, 4])
report("types", [layer(tf.ones([1, 4])).dtype.name, tf.as_dtype(layer.kernel.dtype).name])


@tf.function
def step():
    def learn():
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(tf.cast(layer(tf.ones([2, 4])), tf.float32))
        gradient = tape.gradient(loss, layer.kernel)
        return tf.distribute.get_replica_context().all_reduce("SUM", gradient)

    return strategy.experimental_local_results(strategy.run(learn))


check("gradient", lambda: [value.numpy().ravel().tolist() for value in step()])
outcomes.finish()
