"""Sessions and connections to the TPU's host end in this very process."""

from cmle_accelerators import replacing, tpu_system


def leads_to_tpu(target):
    """Whether an address, a cluster or a resolver is the emulated TPU's."""
    if target is None:
        return False
    if type(target).__name__ == "TPUClusterResolver":
        return True
    if isinstance(target, (list, tuple)):
        return any(leads_to_tpu(one) for one in target)
    if hasattr(target, "as_dict"):
        return tpu_system.ADDRESS in str(target.as_dict())
    text = target.decode() if isinstance(target, bytes) else str(target)
    return tpu_system.ADDRESS in text


def install():
    """A Session whose target is the TPU is a local one."""
    from tensorflow.python.client import session

    def wrap(original):
        def __init__(self, target, graph=None, config=None):
            if leads_to_tpu(target):
                target = ""
                if config is not None:
                    local = type(config)()
                    local.CopyFrom(config)
                    local.ClearField("cluster_def")
                    local.ClearField("device_filters")
                    config = local
            original(self, target, graph, config)

        return __init__

    replacing.method(session.BaseSession, "__init__", wrap)


def install_connections(remote, connected):
    """``experimental_connect_to_cluster`` and ``_to_host``: call ``connected()`` for the TPU."""
    to_cluster, to_host = remote.connect_to_cluster, remote.connect_to_remote_host

    def connect_to_cluster(cluster_spec_or_resolver, *rest, **options):
        if leads_to_tpu(cluster_spec_or_resolver):
            return connected()
        return to_cluster(cluster_spec_or_resolver, *rest, **options)

    def connect_to_remote_host(remote_host=None, *rest, **options):
        if leads_to_tpu(remote_host):
            return connected()
        return to_host(remote_host, *rest, **options)

    replacing.everywhere(to_cluster, connect_to_cluster)
    replacing.everywhere(to_host, connect_to_remote_host)
