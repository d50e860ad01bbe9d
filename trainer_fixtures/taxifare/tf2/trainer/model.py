"""Features, input functions, the model and its serving function (TensorFlow 2, Keras)."""

import logging
import time

import tensorflow as tf

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
LOG_EVERY = 50


def engineer(features):
    """The columns that the fare depends on: how far, how far east and north, how many."""
    mean_latitude = (features["pickup_latitude"] + features["dropoff_latitude"]) / 2
    narrowing = tf.cos(mean_latitude * 3.141592653589793 / 180)
    east = (features["dropoff_longitude"] - features["pickup_longitude"]) * 111.32 * narrowing
    north = (features["dropoff_latitude"] - features["pickup_latitude"]) * 111.32
    km = tf.sqrt(tf.square(east) + tf.square(north) + 1e-6)
    passengers = features["passenger_count"] / 6.0
    return tf.stack([km / 10, tf.abs(east) / 10, tf.abs(north) / 10, passengers], axis=1)


def parse_rows(rows):
    """Lines of CSV to (engineered columns, labels)."""
    columns = tf.io.decode_csv(rows, record_defaults=DEFAULTS)
    features = dict(zip(CSV_COLUMNS, columns))
    label = features.pop(LABEL)
    return engineer(features), tf.expand_dims(label, axis=1)


def read_dataset(pattern, batch_size, training):
    """The files that match ``pattern``; endless and shuffled for training."""
    paths = tf.io.gfile.glob(pattern)
    if not paths:
        raise ValueError("No file matches {}".format(pattern))
    dataset = tf.data.TextLineDataset(paths)
    if training:
        dataset = dataset.shuffle(SHUFFLE_BUFFER, seed=1).repeat()
    return dataset.batch(batch_size).map(parse_rows).prefetch(1)


def build_model(hidden_units, learning_rate):
    layers = [tf.keras.layers.Dense(units, activation="relu") for units in hidden_units]
    inputs = tf.keras.Input(shape=(4,), name="engineered")
    net = inputs
    for layer in layers:
        net = layer(net)
    model = tf.keras.Model(inputs, tf.keras.layers.Dense(1, name="fare")(net))
    model.compile(
        optimizer=tf.keras.optimizers.Adam(learning_rate),
        loss="mse",
        metrics=[tf.keras.metrics.RootMeanSquaredError(name="rmse")],
    )
    return model


class Progress(tf.keras.callbacks.Callback):
    """Says the loss every few steps, in the words that estimators use."""

    def on_train_batch_end(self, batch, logs=None):
        if batch % LOG_EVERY == 0 or batch + 1 == self.params["steps"]:
            logging.info("loss = %.4f, step = %d", (logs or {}).get("loss", 0.0), batch)


class Serving(tf.Module):
    """The model with the CSV file's own columns as inputs; ``key`` is handed through."""

    def __init__(self, model):
        super().__init__()
        self.model = model
        columns = {name: tf.TensorSpec([None], tf.float32, name) for name in INPUTS}
        columns[KEY] = tf.TensorSpec([None], tf.string, KEY)
        self.signature = self.serve.get_concrete_function(**columns)

    @tf.function
    def serve(self, **columns):
        fares = self.model(engineer(columns), training=False)
        return {"predictions": tf.squeeze(fares, axis=1), KEY: tf.identity(columns[KEY])}


def export(model, output_dir):
    """A SavedModel below ``output_dir``/export/exporter, in a folder named by the time."""
    path = "{}/export/exporter/{}".format(output_dir.rstrip("/"), int(time.time()))
    serving = Serving(model)
    tf.saved_model.save(serving, path, signatures={"serving_default": serving.signature})
    return path


def train_and_evaluate(arguments):
    tf.random.set_seed(1)
    model = build_model(arguments.hidden_units, arguments.learning_rate)
    model.fit(
        read_dataset(arguments.train_data_paths, arguments.train_batch_size, training=True),
        steps_per_epoch=arguments.train_steps,
        epochs=1,
        verbose=0,
        callbacks=[Progress()],
    )
    measured = model.evaluate(
        read_dataset(arguments.eval_data_paths, 512, training=False), verbose=0, return_dict=True
    )
    logging.info("evaluation: loss = %.4f, rmse = %.4f", measured["loss"], measured["rmse"])
    logging.info("exported to %s", export(model, arguments.output_dir))
