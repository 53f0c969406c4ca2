"""Who is asking AWS: static keys, a pod's web identity, a pod's identity agent, or nobody. Reads files and the network.

In this order: the Secret of the source; `AWS_ACCESS_KEY_ID` and `AWS_SECRET_ACCESS_KEY`; `AWS_ROLE_ARN` with
`AWS_WEB_IDENTITY_TOKEN_FILE` (IAM roles for service accounts); `AWS_CONTAINER_CREDENTIALS_FULL_URI` (EKS Pod
Identity). Keys that end are asked for again before they do.
"""

import configparser
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from xml.etree import ElementTree

from inferfleet_runtime.errors import CommandError
from inferfleet_runtime.weights.sources.credentials import Credentials
from inferfleet_runtime.weights.sources.seam import Asked, endpoint, refused
from inferfleet_runtime.weights.sources.sigv4 import Keys
from inferfleet_runtime.weights.sources.xml_answer import text_of, tree

_MARGIN = timedelta(minutes=5)


@dataclass
class Identity:
    """Keys that are asked for when they are needed, and kept while they are good."""

    asked: Asked
    region: str
    _held: Keys | None = field(default=None, repr=False)

    def keys(self) -> Keys | None:
        """None: ask as anybody."""
        held, now = self._held, self.asked.http.clock.utc()
        if held and (held.expires is None or held.expires - _MARGIN > now):
            return held
        self._held = self._find()
        return self._held

    def _find(self) -> Keys | None:
        asked, env = self.asked, self.asked.env
        if asked.credentials.given:
            return of_secret(asked.credentials)
        if (access := env.get("AWS_ACCESS_KEY_ID")) and (secret := env.get("AWS_SECRET_ACCESS_KEY")):
            return Keys(access, secret, env.get("AWS_SESSION_TOKEN"))
        for needed, find in _AMBIENT:
            if all(env.get(name) for name in needed):
                return find(asked, self.region)
        return None


def of_secret(credentials: Credentials) -> Keys:
    """Each in a key of the Secret, or in a credentials file of the AWS tools: profile `default`, or the only one."""
    access, secret = credentials.value("accessKeyId"), credentials.value("secretAccessKey")
    if access and secret:
        return Keys(access, secret, credentials.value("sessionToken"))
    parser = configparser.ConfigParser(default_section="", interpolation=None)
    try:
        parser.read_string(credentials.main())
    except configparser.Error as error:
        raise CommandError(f"{_WANTED}; what it names is no credentials file") from error
    names = parser.sections()
    profile = "default" if "default" in names else names[0] if len(names) == 1 else ""
    found: Mapping[str, str] = parser[profile] if profile else {}
    try:
        return Keys(found["aws_access_key_id"], found["aws_secret_access_key"], found.get("aws_session_token"))
    except KeyError as missing:
        raise CommandError(f"{_WANTED}; {missing} is missing in its profile {profile or 'default'}") from missing


_WANTED = (
    "the key of an s3 source's Secret must be accessKeyId (with secretAccessKey beside it), or name an AWS "
    "credentials file"
)


def _web_identity(asked: Asked, region: str) -> Keys:
    """AssumeRoleWithWebIdentity: the token of the pod's service account proves who it is; no signature."""
    env = asked.env
    base = env.get("AWS_ENDPOINT_URL_STS") or env.get("AWS_ENDPOINT_URL") or f"https://sts.{region}.amazonaws.com"
    form = {
        "Action": "AssumeRoleWithWebIdentity",
        "Version": "2011-06-15",
        "RoleArn": env["AWS_ROLE_ARN"],
        "RoleSessionName": env.get("AWS_ROLE_SESSION_NAME", "inferfleet-fetch"),
        "WebIdentityToken": _read(env["AWS_WEB_IDENTITY_TOKEN_FILE"]),
    }
    answer = asked.http.post(f"{endpoint(base, asked.uri)}/", form)
    if answer.status != 200:
        raise refused(asked.uri, answer, f"may {env['AWS_ROLE_ARN']} be assumed by this pod?")
    found: ElementTree.Element | None = tree(answer, asked.uri).find(".//{*}Credentials")
    if found is None:
        raise CommandError(f"{asked.uri}: {base} answers without credentials")
    names = ("AccessKeyId", "SecretAccessKey", "SessionToken")
    access, secret, token = (text_of(found, name) for name in names)
    return Keys(access, secret, token, _moment(text_of(found, "Expiration")))


def _container(asked: Asked, _: str) -> Keys:
    file = asked.env.get("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE")
    headers = {"Authorization": _read(file)} if file else {}
    answer = asked.http.direct().get(asked.env["AWS_CONTAINER_CREDENTIALS_FULL_URI"], lambda: headers)
    if answer.status != 200:
        raise refused(asked.uri, answer, "has the pod's service account an identity?")
    found = answer.json()
    return Keys(found["AccessKeyId"], found["SecretAccessKey"], found["Token"], _moment(found["Expiration"]))


_Find = Callable[[Asked, str], Keys]
_AMBIENT: tuple[tuple[tuple[str, ...], _Find], ...] = (
    (("AWS_ROLE_ARN", "AWS_WEB_IDENTITY_TOKEN_FILE"), _web_identity),
    (("AWS_CONTAINER_CREDENTIALS_FULL_URI",), _container),
)


def _read(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except OSError as error:
        raise CommandError(f"{path}: the pod's token cannot be read: {error}") from error


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text.replace("Z", "+00:00"))
