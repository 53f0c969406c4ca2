"""etcd, kube-apiserver and kube-controller-manager as plain processes on loopback. Starts processes; writes files.

Needs neither root nor containers. There are no nodes: Pods stay Pending.
"""

import json
import secrets
import shutil
import socket
import ssl
import subprocess
import time
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

BINARIES = ("etcd", "kube-apiserver", "kube-controller-manager")
START_SECONDS = 120.0
CONTROLLERS = (
    "garbage-collector-controller",
    "namespace-controller",
    "serviceaccount-controller",
    "root-ca-certificate-publisher-controller",
    "deployment-controller",
    "replicaset-controller",
)
_EXTENSIONS = """
[req]
distinguished_name = subject
[subject]
[authority]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
[leaf]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = serverAuth, clientAuth
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
subjectAltName = DNS:localhost, DNS:kubernetes.default.svc, IP:127.0.0.1
"""


class ControlPlaneError(Exception):
    """It did not start; the message holds the end of the log."""


@dataclass
class ControlPlane:
    """One control plane in one folder. `start`, then use `kubeconfig`; `stop` in the end."""

    folder: Path
    binaries: Mapping[str, Path]
    token: str = field(default_factory=lambda: secrets.token_urlsafe(24))
    """A bearer token of a second administrator."""
    _processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    _ports: dict[str, int] = field(default_factory=dict)

    @property
    def server(self) -> str:
        """Where the API server listens."""
        return f"https://127.0.0.1:{self._ports['api']}"

    @property
    def etcd(self) -> str:
        """Where etcd listens, without encryption."""
        return f"http://127.0.0.1:{self._ports['etcd']}"

    @property
    def kubeconfig(self) -> Path:
        """Of an administrator, by client certificate."""
        return self.folder / "admin.kubeconfig"

    def start(self) -> None:
        """Up to a ready API server."""
        if shutil.which("openssl") is None:
            raise ControlPlaneError("the certificates are made with openssl, which is not on PATH: install openssl")
        self._ports = _free_ports("api", "etcd", "peer")
        self._write_credentials()
        self._run("etcd", *self._etcd_flags())
        self._age_etcd()
        self.start_api_server()

    def start_api_server(self) -> None:
        """And wait until it is ready."""
        self._run("kube-apiserver", *self._api_flags())
        context = ssl.create_default_context(cafile=self.folder / "ca.crt")
        self._when_up(lambda: urllib.request.urlopen(f"{self.server}/readyz", context=context, timeout=5).close())

    def kill_api_server(self) -> None:
        """As a crash."""
        process = self._processes.pop("kube-apiserver")
        process.kill()
        process.wait()

    def start_controllers(self) -> None:
        """Begin garbage collection and the rest; kinds installed before are known at once."""
        flags = (
            f"--kubeconfig={self.kubeconfig}",
            f"--controllers={','.join(CONTROLLERS)}",
            "--leader-elect=false",
            "--secure-port=0",
            f"--root-ca-file={self.folder / 'ca.crt'}",
        )
        self._run("kube-controller-manager", *flags)

    def stop(self) -> None:
        """End all processes at once: what they keep is thrown away, and a graceful end takes half a minute."""
        for process in self._processes.values():
            process.kill()
        for process in self._processes.values():
            process.wait()
        self._processes.clear()

    def write_kubeconfig(self, path: Path, user: Mapping[str, str]) -> Path:
        """A kubeconfig for another user."""
        cluster = {"server": self.server, "certificate-authority": str(self.folder / "ca.crt")}
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "c", "cluster": cluster}],
            "users": [{"name": "u", "user": dict(user)}],
            "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
            "current-context": "c",
        }
        path.write_text(json.dumps(config))
        return path

    def user(self, folder: Path, name: str) -> Path:
        """A kubeconfig of somebody with this name (a ServiceAccount's, for example), by a certificate in `folder`."""
        leaf = ("-extensions", "leaf", "-CA", "ca.crt", "-CAkey", "ca.key")
        self._certificate(str(folder / "user"), f"/CN={name}", *leaf)
        files = {"client-certificate": str(folder / "user.crt"), "client-key": str(folder / "user.key")}
        return self.write_kubeconfig(folder / "kubeconfig", files)

    def _write_credentials(self) -> None:
        (self.folder / "openssl.cnf").write_text(_EXTENSIONS)
        self._certificate("ca", "/CN=authority", "-extensions", "authority")
        leaf = ("-extensions", "leaf", "-CA", "ca.crt", "-CAkey", "ca.key")
        self._certificate("server", "/CN=kube-apiserver", *leaf)
        self._certificate("admin", "/O=system:masters/CN=admin", *leaf)
        self._certificate("accounts", "/CN=service-accounts", *leaf)
        (self.folder / "tokens.csv").write_text(f'{self.token},token-admin,token-admin,"system:masters"\n')
        user = {
            f"client-{kind}": str(self.folder / f"admin.{end}")
            for kind, end in (("certificate", "crt"), ("key", "key"))
        }
        self.write_kubeconfig(self.kubeconfig, user)

    def _age_etcd(self) -> None:
        """Give it a past, so that version 1 is one that the API server does not know: watches of it get 410."""
        put = json.dumps({"key": "cGFzdA==", "value": "cGFzdA=="}).encode()
        for _ in range(10):
            self._when_up(lambda: urllib.request.urlopen(f"{self.etcd}/v3/kv/put", put, timeout=5).close())

    def _certificate(self, name: str, subject: str, *options: str) -> None:
        key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", f"{name}.key")
        command = ["openssl", "req", "-x509", "-config", "openssl.cnf", "-days", "2", *key, "-out", f"{name}.crt"]
        subprocess.run([*command, "-subj", subject, *options], cwd=self.folder, check=True, capture_output=True)

    def _etcd_flags(self) -> tuple[str, ...]:
        peer = f"http://127.0.0.1:{self._ports['peer']}"
        return (
            f"--data-dir={self.folder / 'etcd'}",
            f"--listen-client-urls={self.etcd}",
            f"--advertise-client-urls={self.etcd}",
            f"--listen-peer-urls={peer}",
            f"--initial-advertise-peer-urls={peer}",
            f"--initial-cluster=default={peer}",
            "--unsafe-no-fsync",
            "--log-level=warn",
        )

    def _api_flags(self) -> tuple[str, ...]:
        files = {
            "tls-cert-file": "server.crt",
            "tls-private-key-file": "server.key",
            "client-ca-file": "ca.crt",
            "service-account-key-file": "accounts.crt",
            "service-account-signing-key-file": "accounts.key",
            "token-auth-file": "tokens.csv",
        }
        return (
            *(f"--{flag}={self.folder / file}" for flag, file in files.items()),
            f"--etcd-servers={self.etcd}",
            f"--secure-port={self._ports['api']}",
            "--bind-address=127.0.0.1",
            # Never used, but it may not be a loopback address; this one is reserved for documentation.
            "--advertise-address=192.0.2.1",
            "--endpoint-reconciler-type=none",
            "--service-account-issuer=https://kubernetes.default.svc",
            "--service-cluster-ip-range=10.96.0.0/16",
            "--authorization-mode=RBAC",
        )

    def _run(self, name: str, *flags: str) -> None:
        with (self.folder / f"{name}.log").open("ab") as log:
            process = subprocess.Popen([str(self.binaries[name]), *flags], stdout=log, stderr=log, cwd=self.folder)
        self._processes[name] = process

    def _when_up(self, ask: Callable[[], None]) -> None:
        deadline = time.monotonic() + START_SECONDS
        while True:
            self._check_alive()
            try:
                return ask()
            except OSError as e:  # also what urllib raises for an answer such as 503
                if time.monotonic() > deadline:
                    raise ControlPlaneError(f"not ready after {START_SECONDS} s: {e}\n{self._log_tail()}") from e
            time.sleep(0.1)

    def _check_alive(self) -> None:
        for name, process in self._processes.items():
            if process.poll() is not None:
                raise ControlPlaneError(f"{name} ended with {process.returncode}\n{self._log_tail(name)}")

    def _log_tail(self, name: str = "kube-apiserver") -> str:
        log = self.folder / f"{name}.log"
        return log.read_text(errors="replace")[-3000:] if log.exists() else "(no log yet)"


def _free_ports(*names: str) -> dict[str, int]:
    """All sockets are open at the same time, so that no port is given twice."""
    sockets = {name: socket.create_server(("127.0.0.1", 0)) for name in names}
    ports = {name: s.getsockname()[1] for name, s in sockets.items()}
    for s in sockets.values():
        s.close()
    return ports
