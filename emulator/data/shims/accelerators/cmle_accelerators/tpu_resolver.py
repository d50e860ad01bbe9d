"""TPUClusterResolver without the Cloud TPU API: the one TPU of the job, by name or by none."""

from cmle_accelerators import findings, tpu_system

_NO_NAME = "Please provide a TPU Name to connect to."


def install(resolver, cores, metadata):
    """Replace what the class ``resolver`` asks Google or the TPU; ``metadata()`` is called late."""

    def __init__(self, tpu=None, zone=None, project=None, job_name=tpu_system.JOB, **others):
        name = tpu_system.node_name(tpu)
        if not name:
            raise ValueError(_NO_NAME)
        _compare(name)
        self._tpu = name
        self._zone = zone
        self._project = project
        self._environment = ""
        self._tpu_topology = None
        self._job_name = job_name
        self._coordinator_name = others.get("coordinator_name")
        self._coordinator_address = others.get("coordinator_address")
        self.rpc_layer = "grpc"
        self.task_type = job_name
        self.task_id = 0

    def address(self):
        named = self._tpu.split("grpc://")[-1] if self._tpu.startswith("grpc://") else ""
        return named or tpu_system.ADDRESS

    def cluster_spec(self):
        from tensorflow.python.training import server_lib

        return server_lib.ClusterSpec({self.task_type: [address(self)]})

    resolver.__init__ = __init__
    resolver.__enter__ = lambda self: self
    resolver.__exit__ = lambda self, *error: None
    resolver.master = lambda self, *task, **options: "grpc://" + address(self)
    resolver.get_master = lambda self: self.master()
    resolver.get_job_name = lambda self: self.task_type
    resolver.cluster_spec = cluster_spec
    resolver.num_accelerators = lambda self, *task, **options: {"TPU": cores}
    resolver.get_tpu_system_metadata = lambda self: metadata()


def _compare(name):
    given = tpu_system.node_name(None)
    if given and name != given and not name.startswith("grpc://"):
        findings.report(
            "tpu",
            "unknown TPU",
            "the program asks for the TPU %r, but this job's is %r. A real TPUClusterResolver "
            "would look for that name in the Cloud TPU API and most likely fail; call "
            "TPUClusterResolver() without a name." % (name, given),
        )
