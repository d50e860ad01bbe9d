"""Trains a network of PyTorch in a container of its own, reports its error, uploads its weights."""

import argparse
import os

import hypertune
import torch
from google.cloud import storage


def rides(count, seed):
    """Kilometres and minutes of some rides, and what they cost."""
    torch.manual_seed(seed)
    km = torch.rand(count, 1) * 20.0
    minutes = 3.0 * km + torch.rand(count, 1) * 10.0
    return torch.cat([km / 10.0, minutes / 30.0], dim=1), 2.5 + 1.6 * km + 0.3 * minutes


def train(epochs, learning_rate):
    """The trained network, and its error on rides that it has not seen."""
    inputs, fares = rides(2000, seed=1)
    unseen, expected = rides(500, seed=2)
    network = torch.nn.Sequential(torch.nn.Linear(2, 16), torch.nn.ReLU(), torch.nn.Linear(16, 1))
    optimizer = torch.optim.Adam(network.parameters(), learning_rate)
    reporter = hypertune.HyperTune()
    for epoch in range(1, epochs + 1):
        for some, labels in zip(inputs.split(100), fares.split(100)):
            optimizer.zero_grad()
            loss = torch.nn.functional.mse_loss(network(some), labels)
            loss.backward()
            optimizer.step()
        with torch.no_grad():
            rmse = torch.nn.functional.mse_loss(network(unseen), expected).sqrt().item()
        reporter.report_hyperparameter_tuning_metric("rmse", rmse, epoch)
    print("epoch {}: rmse {:.3f}".format(epochs, rmse))
    return network


def upload(name, folder):
    """Copies a local file into a gs:// folder."""
    bucket, _, path = folder[len("gs://") :].partition("/")
    blob = storage.Client().bucket(bucket).blob("{}/{}".format(path.rstrip("/"), name))
    blob.upload_from_filename(name)
    print("uploaded gs://{}/{}".format(bucket, blob.name))


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--job-dir", required=True)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--learning-rate", type=float, default=0.05, help="the hyperparameter")
    arguments = parser.parse_args()
    print("torch", torch.__version__)
    network = train(arguments.epochs, arguments.learning_rate)
    with open(os.environ["CLOUD_ML_HP_METRIC_FILE"]) as file:
        print("reported:", file.read().splitlines()[-1])
    torch.save(network.state_dict(), "network.pt")
    upload("network.pt", arguments.job_dir)
