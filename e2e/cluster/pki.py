"""Certificates and kubeconfigs of a local cluster, made with the openssl command line. Writes."""

import base64
import json
import secrets
from dataclasses import dataclass
from pathlib import Path

from e2e.cluster.shell import run
from e2e.cluster.spec import NODE, ClusterSpec

DAYS = "3650"
_KEY = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]


@dataclass(frozen=True)
class Identity:
    """One certificate: who it says the bearer is, and the names it may serve."""

    name: str
    subject: str
    names: tuple[str, ...] = ()
    client: bool = True
    """Whether it also gets a kubeconfig."""


def identities(spec: ClusterSpec) -> list[Identity]:
    """Every certificate of a cluster but the CA's. Pure. The subjects are those of Kubernetes' own RBAC."""
    api = (
        *("DNS:kubernetes", "DNS:kubernetes.default", "DNS:kubernetes.default.svc", "DNS:localhost"),
        *(f"IP:{address}" for address in ("127.0.0.1", spec.node_address, spec.api_service)),
    )
    controllers = ("kube-controller-manager", "kube-scheduler", "kube-proxy")
    return [
        Identity("apiserver", "/CN=kube-apiserver", api, client=False),
        Identity("apiserver-kubelet-client", "/O=system:masters/CN=kube-apiserver-kubelet-client", client=False),
        Identity("service-accounts", "/CN=service-accounts", client=False),
        Identity("kubelet", f"/O=system:nodes/CN=system:node:{NODE}", (f"DNS:{NODE}", f"IP:{spec.node_address}")),
        Identity("admin", "/O=system:masters/CN=admin"),
        Identity("coredns", "/CN=system:coredns"),
        *(Identity(name, f"/CN=system:{name}") for name in controllers),
    ]


def ensure(spec: ClusterSpec) -> None:
    """Make what is missing in the `pki` folder of the cluster."""
    folder = spec.folder / "pki"
    folder.mkdir(mode=0o700, exist_ok=True)
    if not (folder / "ca.crt").exists():
        _authority(folder)
    for identity in identities(spec):
        if not (folder / f"{identity.name}.crt").exists():
            _certificate(folder, identity)
        if identity.client and not (folder / f"{identity.name}.kubeconfig").exists():
            _write(folder / f"{identity.name}.kubeconfig", kubeconfig(spec, folder, identity.name))


def kubeconfig(spec: ClusterSpec, folder: Path, name: str) -> str:
    """A kubeconfig with the certificates inside it, so that the file can be moved; JSON is YAML. Reads."""

    def data(file: str) -> str:
        return base64.b64encode((folder / file).read_bytes()).decode()

    user = {"client-certificate-data": data(f"{name}.crt"), "client-key-data": data(f"{name}.key")}
    context = f"inferfleet-{spec.name}"
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [
            {
                "name": context,
                "cluster": {"server": spec.server, "certificate-authority-data": data("ca.crt")},
            }
        ],
        "users": [{"name": name, "user": user}],
        "contexts": [{"name": context, "context": {"cluster": context, "user": name}}],
        "current-context": context,
    }
    return json.dumps(config, indent=2) + "\n"


def _authority(folder: Path) -> None:
    out: list[str | Path] = ["-keyout", folder / "ca.key", "-out", folder / "ca.crt.new"]
    # Python 3.13 and newer trust no authority that does not say what its key is for.
    usage = ["-addext", "keyUsage=critical,keyCertSign,cRLSign,digitalSignature"]
    run(["openssl", "req", "-x509", *_KEY, *out, "-days", DAYS, "-subj", "/CN=inferfleet-e2e-ca", *usage])
    (folder / "ca.crt.new").rename(folder / "ca.crt")


def _certificate(folder: Path, identity: Identity) -> None:
    stem = folder / identity.name
    names = ",".join(identity.names) or f"DNS:{identity.name}"
    _write(Path(f"{stem}.ext"), f"subjectAltName={names}\nextendedKeyUsage=serverAuth,clientAuth\n")
    run(
        [
            "openssl",
            "req",
            "-new",
            *_KEY,
            "-keyout",
            f"{stem}.key",
            "-out",
            f"{stem}.csr",
            "-subj",
            identity.subject,
        ]
    )
    authority: list[str | Path] = ["-CA", folder / "ca.crt", "-CAkey", folder / "ca.key"]
    # openssl's own serial file would be left half written by an interruption.
    authority += ["-set_serial", f"0x{secrets.token_hex(16)}"]
    sign = ["openssl", "x509", "-req", "-in", f"{stem}.csr", *authority, "-days", DAYS]
    run([*sign, "-extfile", f"{stem}.ext", "-out", f"{stem}.crt.new"])
    Path(f"{stem}.crt.new").rename(f"{stem}.crt")


def _write(path: Path, text: str) -> None:
    scratch = path.with_name(path.name + ".new")
    scratch.write_text(text)
    scratch.chmod(0o600)
    scratch.rename(path)
