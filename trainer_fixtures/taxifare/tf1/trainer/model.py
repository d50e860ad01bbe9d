"""Features, input functions, the model and its serving function (TensorFlow 1.15, estimator)."""

from __future__ import division

import tensorflow as tf

tf.compat.v1.logging.set_verbosity(tf.compat.v1.logging.INFO)

CSV_COLUMNS = [
    "fare_amount",
    "pickup_longitude",
    "pickup_latitude",
    "dropoff_longitude",
    "dropoff_latitude",
    "passenger_count",
    "key",
]
LABEL = "fare_amount"
KEY = "key"
DEFAULTS = [[0.0], [-73.97], [40.75], [-73.97], [40.75], [1.0], ["none"]]
INPUTS = CSV_COLUMNS[1:-1]
SHUFFLE_BUFFER = 4096


def engineer(features):
    """Adds what the fare depends on: how far east, how far north, how far."""
    mean_latitude = (features["pickup_latitude"] + features["dropoff_latitude"]) / 2
    narrowing = tf.cos(mean_latitude * 3.141592653589793 / 180)
    east = (features["dropoff_longitude"] - features["pickup_longitude"]) * 111.32 * narrowing
    north = (features["dropoff_latitude"] - features["pickup_latitude"]) * 111.32
    engineered = dict(features)
    engineered["km_east"] = tf.abs(east)
    engineered["km_north"] = tf.abs(north)
    engineered["km"] = tf.sqrt(tf.square(east) + tf.square(north) + 1e-6)
    return engineered


def feature_columns():
    def scaled(name, scale):
        return tf.feature_column.numeric_column(name, normalizer_fn=lambda x: x / scale)

    return [
        scaled("km", 10.0),
        scaled("km_east", 10.0),
        scaled("km_north", 10.0),
        scaled("passenger_count", 6.0),
    ]


def parse_rows(rows):
    """Lines of CSV to ({column: values}, labels)."""
    columns = tf.io.decode_csv(rows, record_defaults=DEFAULTS)
    features = dict(zip(CSV_COLUMNS, columns))
    return features, features.pop(LABEL)


def input_function(pattern, batch_size, training):
    """What train_and_evaluate calls to read the files that match ``pattern``."""

    def read():
        paths = tf.io.gfile.glob(pattern)
        if not paths:
            raise ValueError("No file matches {}".format(pattern))
        dataset = tf.data.TextLineDataset(paths)
        if training:
            dataset = dataset.shuffle(SHUFFLE_BUFFER, seed=1).repeat()
        dataset = dataset.batch(batch_size).map(parse_rows)
        return dataset.map(lambda features, label: (engineer(features), label)).prefetch(1)

    return read


def serving_input_function():
    """One placeholder a column, so that JSON instances use the names of the CSV file."""
    received = {name: tf.compat.v1.placeholder(tf.float32, [None], name) for name in INPUTS}
    key = tf.compat.v1.placeholder_with_default(
        tf.fill(tf.shape(received[INPUTS[0]]), "none"), [None], KEY
    )
    features = engineer(received)
    features[KEY] = key
    received[KEY] = key
    return tf.estimator.export.ServingInputReceiver(features, received)


def model_function(features, labels, mode, params):
    net = tf.compat.v1.feature_column.input_layer(features, feature_columns())
    for units in params["hidden_units"]:
        net = tf.compat.v1.layers.dense(net, units, activation=tf.nn.relu)
    fares = tf.squeeze(tf.compat.v1.layers.dense(net, 1), axis=1)

    if mode == tf.estimator.ModeKeys.PREDICT:
        outputs = {"predictions": fares, KEY: tf.identity(features[KEY])}
        serving = tf.estimator.export.PredictOutput(outputs)
        return tf.estimator.EstimatorSpec(
            mode,
            predictions=outputs,
            export_outputs={
                tf.saved_model.DEFAULT_SERVING_SIGNATURE_DEF_KEY: serving,
            },
        )

    loss = tf.reduce_mean(tf.square(fares - labels))
    if mode == tf.estimator.ModeKeys.EVAL:
        rmse = tf.compat.v1.metrics.root_mean_squared_error(labels, fares)
        return tf.estimator.EstimatorSpec(mode, loss=loss, eval_metric_ops={"rmse": rmse})

    optimizer = tf.compat.v1.train.AdamOptimizer(params["learning_rate"])
    step = tf.compat.v1.train.get_or_create_global_step()
    return tf.estimator.EstimatorSpec(
        mode, loss=loss, train_op=optimizer.minimize(loss, global_step=step)
    )


def train_and_evaluate(arguments):
    estimator = tf.estimator.Estimator(
        model_function,
        config=tf.estimator.RunConfig(
            model_dir=arguments.output_dir,
            tf_random_seed=1,
            log_step_count_steps=50,
            save_checkpoints_steps=arguments.train_steps,
        ),
        params={
            "hidden_units": arguments.hidden_units,
            "learning_rate": arguments.learning_rate,
        },
    )
    train = tf.estimator.TrainSpec(
        input_function(arguments.train_data_paths, arguments.train_batch_size, training=True),
        max_steps=arguments.train_steps,
    )
    evaluate = tf.estimator.EvalSpec(
        input_function(arguments.eval_data_paths, 512, training=False),
        steps=None,
        exporters=tf.estimator.LatestExporter("exporter", serving_input_function),
        start_delay_secs=0,
        throttle_secs=0,
    )
    tf.estimator.train_and_evaluate(estimator, train, evaluate)
