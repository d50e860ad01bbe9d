import argparse

import tensorflow as tf


class Fares(tf.Module):
    @tf.function(input_signature=[tf.TensorSpec([None], tf.float32, name="km")])
    def serve(self, km):
        return {"fare": 2.5 + 2.5 * km}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--job-dir", required=True)
    args = parser.parse_args()
    fares = Fares()
    tf.saved_model.save(fares, args.job_dir + "/export", signatures=fares.serve)


if __name__ == "__main__":
    main()
