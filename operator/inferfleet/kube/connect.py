"""Opening a cluster as whom we are: by a kubeconfig file, or by the pod's ServiceAccount. Reads files.

The only file that imports `kubernetes`, and only its configuration: its client builds objects we do not
need (0.7 s for a thousand pods, 28 times what plain JSON takes).
"""

import os
import random
import ssl
from functools import partial
from pathlib import Path

from kubernetes.aio import config
from kubernetes.aio.client import Configuration

from inferfleet import errors
from inferfleet.kube.cluster import KubernetesCluster, OnCall
from inferfleet.kube.transport import Access, Transport


async def connect(
    kubeconfig: str = "", *, on_call: OnCall | None = None, rng: random.Random | None = None
) -> KubernetesCluster:
    """A cluster with the access that `load` finds; Transient where it finds none."""
    transport = Transport(partial(load, kubeconfig), await load(kubeconfig))
    return KubernetesCluster(
        transport,
        on_call or (lambda verb, kind, status: None),
        rng or random.Random(),  # noqa: S311  spreads load; guards nothing
    )


async def load(kubeconfig: str = "") -> Access:
    """Access by the files that `kubeconfig` names (separated as in KUBECONFIG), else by the pod's
    ServiceAccount, else by `~/.kube/config`. Raises Transient with what is wrong and where.
    """
    settings = Configuration()
    try:
        if kubeconfig or "KUBERNETES_SERVICE_HOST" not in os.environ:
            await _load_file(settings, kubeconfig)
        else:
            config.load_incluster_config(client_configuration=settings)  # type: ignore[no-untyped-call]
        tls = _tls(settings)
    except (config.ConfigException, OSError) as e:
        raise errors.Transient(f"cannot load credentials for the API server: {e}") from e
    return Access(
        server=settings.host.rstrip("/"),
        authorization=lambda: _authorization(settings),
        tls=tls,
        server_hostname=settings.tls_server_name,
        proxy=settings.proxy,
    )


async def _load_file(settings: Configuration, kubeconfig: str) -> None:
    path = kubeconfig or str(Path.home() / ".kube" / "config")
    # Without this the library says of a missing file that it has no current-context.
    if not any(Path(part).expanduser().is_file() for part in path.split(os.pathsep) if part):
        raise FileNotFoundError(f"there is no kubeconfig at {path}")
    # Nothing is written back: a refreshed token of a cloud's plug-in belongs to the user's own tools.
    await config.load_kube_config(  # type: ignore[no-untyped-call]
        config_file=path, client_configuration=settings, persist_config=False
    )


async def _authorization(settings: Configuration) -> str:
    """In a pod this re-reads the token file when its copy is a minute old: the kubelet rotates it."""
    try:
        return await settings.get_api_key_with_prefix("BearerToken") or ""
    except (config.ConfigException, OSError) as e:
        raise errors.Transient(f"cannot read the ServiceAccount token: {e}") from e


def _tls(settings: Configuration) -> ssl.SSLContext | None:
    if not settings.host.startswith("https"):
        return None
    context = ssl.create_default_context(cafile=settings.ssl_ca_cert)
    # On by default from Python 3.13, and refuses the authorities of many clusters, which say less than RFC 5280 wants.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    if settings.cert_file:
        context.load_cert_chain(settings.cert_file, settings.key_file)
    if not settings.verify_ssl:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context
