"""Prints the cluster that it is part of and greets every other replica; needs no framework.

Workers end when they have met all others, the primary when all have told it so, and
parameter servers never, as with TensorFlow's.
"""

import argparse
import json
import os
import threading

from trainer.peers import Greeter

parser = argparse.ArgumentParser()
parser.add_argument("--job-dir")
parser.parse_args()

config = json.loads(os.environ["TF_CONFIG"])
described = json.loads(os.environ["CLUSTER_SPEC"])
cluster, task = config["cluster"], config["task"]
print("TF_CONFIG cluster:", json.dumps(cluster, sort_keys=True))
print("TF_CONFIG task:", json.dumps(task, sort_keys=True))
print("CLUSTER_SPEC cluster:", json.dumps(described["cluster"], sort_keys=True))
print("CLUSTER_SPEC task:", json.dumps(described["task"], sort_keys=True))

addresses = {
    "{} {}".format(role, index): address
    for role, hosts in cluster.items()
    for index, address in enumerate(hosts)
}
me = "{} {}".format(task["type"], task["index"])
primary = "chief 0" if "chief" in cluster else "master 0"
others = sorted(set(addresses) - {me})

greeter = Greeter(me, int(addresses[me].rsplit(":", 1)[1]))
for other in others:
    answered = greeter.say("hello", addresses[other])
    if answered != other:
        raise SystemExit("{} is {}, not {}".format(addresses[other], answered, other))
    print(me, "met", other, "at", addresses[other])
greeter.wait_for("hello", others)
print(me, "has met all", len(others), "others", flush=True)

if me == primary:
    greeter.wait_for("done", others)
    print("everybody has met everybody")
else:
    greeter.say("done", addresses[primary])
    if task["type"] == "ps":
        threading.Event().wait()
