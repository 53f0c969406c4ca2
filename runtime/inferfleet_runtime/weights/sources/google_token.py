"""Access tokens of Google Cloud. Reads the network."""

import base64
import json
import urllib.error
import urllib.request
from http.client import HTTPException
from typing import Any
from urllib.parse import urlencode

from inferfleet_runtime.errors import CommandError
from inferfleet_runtime.weights.sources.seam import Asked

_READ_ONLY = "https://www.googleapis.com/auth/devstorage.read_only"
_GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
_HOUR = 3600
_METADATA = "/computeMetadata/v1/instance/service-accounts/default/token"
_METADATA_WITHIN = 3.0
"""Seconds: outside of Google's cloud nobody answers."""


def metadata_token(asked: Asked) -> tuple[str | None, float]:
    """The token of the pod's or node's service account and the seconds that it lasts; None: there is none to be had."""
    if asked.env.get("STORAGE_EMULATOR_HOST") and not asked.env.get("GCE_METADATA_HOST"):
        return None, _HOUR
    host = asked.env.get("GCE_METADATA_HOST", "metadata.google.internal")
    request = urllib.request.Request(f"http://{host}{_METADATA}", headers={"Metadata-Flavor": "Google"})
    # never by way of a proxy: the server beside the pod knows it by its address
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with direct.open(request, timeout=_METADATA_WITHIN) as answer:
            found = json.load(answer)
        return str(found["access_token"]), float(found["expires_in"])
    except (OSError, HTTPException, ValueError, KeyError):
        return None, _HOUR


def service_account_token(asked: Asked, key: dict[str, Any]) -> tuple[str, float]:
    """A token for the service account whose key this is: a signed assertion (RFC 7523) is exchanged for it."""
    moment = int(asked.http.clock.utc().timestamp())
    claims = {
        "iss": key["client_email"],
        "scope": _READ_ONLY,
        "aud": key["token_uri"],
        "iat": moment,
        "exp": moment + _HOUR,
    }
    assertion = _assertion({"alg": "RS256", "typ": "JWT", "kid": key["private_key_id"]}, claims, key["private_key"])
    form = urlencode({"grant_type": _GRANT, "assertion": assertion}).encode()
    request = urllib.request.Request(key["token_uri"], data=form)  # noqa: S310 - the key's own address, checked below
    if request.type != "https" and not asked.env.get("STORAGE_EMULATOR_HOST"):
        raise CommandError(f"{asked.uri}: the service account's token_uri is not https")
    try:
        with asked.http.opener.open(request, timeout=_METADATA_WITHIN * 10) as answer:
            found = json.load(answer)
    except urllib.error.HTTPError as error:
        with error:
            reason = error.read(200).decode("utf-8", "replace")
        raise CommandError(f"{asked.uri}: {key['token_uri']} refuses the service account: {reason}") from error
    except (OSError, HTTPException) as error:
        raise CommandError(f"{asked.uri}: {key['token_uri']} does not answer: {error}") from error
    return str(found["access_token"]), float(found.get("expires_in", _HOUR))


def _assertion(header: dict[str, Any], claims: dict[str, Any], private_key: str) -> str:
    # only this one command of this one kind of source needs it
    from cryptography.hazmat.primitives import hashes, serialization  # noqa: PLC0415
    from cryptography.hazmat.primitives.asymmetric import padding, rsa  # noqa: PLC0415

    loaded = serialization.load_pem_private_key(private_key.encode(), password=None)
    if not isinstance(loaded, rsa.RSAPrivateKey):
        raise ValueError("not an RSA key")
    said = f"{_part(header)}.{_part(claims)}"
    signature = loaded.sign(said.encode(), padding.PKCS1v15(), hashes.SHA256())
    return f"{said}.{_plain(signature)}"


def _part(content: dict[str, Any]) -> str:
    return _plain(json.dumps(content, separators=(",", ":")).encode())


def _plain(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()
