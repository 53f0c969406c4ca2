"""Reaching a Service from this machine: directly where it is routed, else through `kubectl proxy`. Reads."""

import re
import subprocess
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from e2e.cluster.provider import Cluster
from e2e.cluster.shell import ClusterError


@contextmanager
def reach(cluster: Cluster, namespace: str, service: str) -> Iterator[str]:
    """A base URL without `/v1`. Through the proxy every token passes the API server: times are longer there."""
    if cluster.routed:
        address = cluster.kubectl(
            "get", "service", service, "--namespace", namespace, "-o", "jsonpath={.spec.clusterIP}"
        )
        yield f"http://{address}"
        return
    program = str(cluster.bin / "kubectl") if cluster.bin else "kubectl"
    argv = [program, "--kubeconfig", str(cluster.kubeconfig), "proxy", "--port=0"]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as proxy:
        try:
            yield f"{_address(proxy)}/api/v1/namespaces/{namespace}/services/{service}:http/proxy"
        finally:
            proxy.terminate()


def _address(proxy: "subprocess.Popen[str]") -> str:
    assert proxy.stdout
    line = proxy.stdout.readline()
    found = re.search(r"127\.0\.0\.1:\d+", line)
    if not found:
        raise ClusterError(f"`kubectl proxy` did not say where it listens: {line!r}")
    return f"http://{found[0]}"


def answers(url: str) -> bool:
    """Nodes learn of a ready pod a moment after the Model says so; connections are refused until then."""
    with suppress(OSError):
        urllib.request.urlopen(f"{url}/v1/models", timeout=10).close()
        return True
    return False
