"""The emulated TPU as TensorFlow's API describes it: one host, its cores, their devices."""

import collections
import os

ADDRESS = "10.240.1.2:8470"  # of the TPU's host: what users print; nothing connects to it
JOB = "worker"
_HERE = "/job:localhost/replica:0/task:0/device:CPU:%d"
_THERE = "/job:worker/replica:0/task:0/device:%s:%d"
_NAMES = ("KUBE_GOOGLE_CLOUD_TPU_ENDPOINTS", "TPU_NAME")  # where the resolver looks, in order

Device = collections.namedtuple("Device", "name device_type")


def node_name(tpu):
    """The TPU's name: as given, else the one that the service put into the environment."""
    if isinstance(tpu, (list, tuple)):
        tpu = tpu[0] if tpu else None
    if isinstance(tpu, bytes):
        tpu = tpu.decode()
    if tpu:
        return tpu
    return next((os.environ[name] for name in _NAMES if os.environ.get(name)), None)


def cpu(core):
    """The device of this machine that stands for a core; 0 is the host's, too."""
    return _HERE % core


def core(number):
    """A core's name on the real thing."""
    return _THERE % ("TPU", number)


def topology_proto(cores):
    """A serialized TopologyProto: chips of two cores in a square, as of a v2-8."""
    from tensorflow.core.protobuf.tpu import topology_pb2

    chips = max(cores // 2, 1)
    width = 2 if chips % 2 == 0 else 1
    per_chip = 2 if cores % 2 == 0 else 1
    shape = [width, chips // width, per_chip] if chips * per_chip == cores else [1, cores, 1]
    proto = topology_pb2.TopologyProto()
    places = [
        [x, y, z] for y in range(shape[1]) for x in range(shape[0]) for z in range(shape[2])
    ]
    if _mesh_rank() == 4:
        shape = [shape[0], shape[1], 1, shape[2]]
        places = [[x, y, 0, z] for x, y, z in places]
    proto.mesh_shape.extend(shape)
    proto.num_tasks = 1
    proto.num_tpu_devices_per_task = cores
    for place in places:
        proto.device_coordinates.extend(place)
    return proto.SerializeToString()


def _mesh_rank():
    import tensorflow

    return 3 if tensorflow.__version__.startswith("1.") else 4


def metadata(cores):
    """TPUSystemMetadata of the whole system."""
    from tensorflow.python.tpu import topology, tpu_system_metadata

    devices = [Device(core(number), "TPU") for number in range(cores)]
    public = getattr(tpu_system_metadata, "TPUSystemMetadata", None)
    described = public or tpu_system_metadata._TPUSystemMetadata  # the name in 1.15
    return described(
        num_cores=cores,
        num_hosts=1,
        num_of_cores_per_host=cores,
        topology=topology.Topology(serialized=topology_proto(cores)),
        devices=devices + [Device(_THERE % ("CPU", 0), "CPU")],
    )
