"""A server that speaks as much S3 as fetching needs, and checks every signature as the documentation says.

It works the signature out from the request that arrived, not from what the client meant to send. STS is part of it.
"""

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from urllib.parse import parse_qs, parse_qsl, quote, unquote, urlsplit
from xml.sax.saxutils import escape

from fakes.store import Asked, Reply, Store, Stored

XML = '<?xml version="1.0" encoding="UTF-8"?>\n'
PAGE = 2
"""Keys on a page of a listing."""


@dataclass
class S3(Store):
    """Buckets by name; `keys` are who may read. Without any, everybody may."""

    buckets: dict[str, dict[str, bytes]] = field(default_factory=dict)
    keys: dict[str, str] = field(default_factory=dict)
    """Secret by access key."""
    tokens: dict[str, str] = field(default_factory=dict)
    """Session token that an access key needs."""
    region: str = "us-east-1"
    checksums: dict[str, str] = field(default_factory=dict)
    """x-amz-checksum-sha256 by key of an object."""
    web_tokens: dict[str, str] = field(default_factory=dict)
    """Role by web identity token."""
    expires: datetime = datetime(2026, 11, 20, 13, tzinfo=UTC)

    def answer(self, asked: Asked) -> Reply:
        parts = urlsplit(asked.path)
        query = parse_qs(parts.query)
        form = parse_qs(asked.body.decode()) if asked.method == "POST" else {}
        if form.get("Action") == ["AssumeRoleWithWebIdentity"]:
            return self._assume(form)
        if self.keys and (problem := self._refusal(asked)):
            elsewhere = problem == "AuthorizationHeaderMalformed"
            return Reply(400 if elsewhere else 403, {"x-amz-bucket-region": self.region}, _error(problem))
        return self._read(asked, parts.path, query)

    def _read(self, asked: Asked, path: str, query: Mapping[str, list[str]]) -> Reply:
        bucket, _, key = unquote(path).removeprefix("/").partition("/")
        objects = self.buckets.get(bucket)
        if objects is None:
            return Reply(404, body=_error("NoSuchBucket"))
        if not key:
            return self._list(objects, query)
        if key not in objects:
            return Reply(404, body=_error("NoSuchKey"))
        checksum = {"x-amz-checksum-sha256": self.checksums[key]} if key in self.checksums else {}
        return self.stored(asked, Stored(objects[key], etag_of(objects[key]), checksum))

    def is_content(self, asked: Asked) -> bool:
        return "list-type" not in asked.path

    def _refusal(self, asked: Asked) -> str:
        given = asked.headers.get("Authorization", "")
        if not given.startswith("AWS4-HMAC-SHA256 "):
            return "AccessDenied"
        said = dict(part.strip().split("=", 1) for part in given.partition(" ")[2].split(","))
        access, day, region, service, end = said["Credential"].split("/")
        headers = {k.lower(): v for k, v in asked.headers.items()}
        if region != self.region or service != "s3" or end != "aws4_request":
            return "AuthorizationHeaderMalformed"
        if self.tokens.get(access) != headers.get("x-amz-security-token"):
            return "InvalidToken"
        if access not in self.keys:
            return "InvalidAccessKeyId"
        if any(name.startswith("x-amz-") and name not in said["SignedHeaders"].split(";") for name in headers):
            return "HeadersNotSigned"
        request = _canonical(asked, headers, said["SignedHeaders"])
        text = f"AWS4-HMAC-SHA256\n{headers['x-amz-date']}\n{day}/{region}/s3/aws4_request\n{request}"
        key = f"AWS4{self.keys[access]}".encode()
        for part in (day, region, "s3", "aws4_request", text):
            key = hmac.digest(key, part.encode(), "sha256")
        return "" if key.hex() == said["Signature"] else "SignatureDoesNotMatch"

    def _list(self, objects: Mapping[str, bytes], query: Mapping[str, list[str]]) -> Reply:
        found = sorted(k for k in objects if k.startswith(query.get("prefix", [""])[0]))
        start = int(query.get("continuation-token", ["0"])[0])
        page, more = found[start : start + PAGE], start + PAGE < len(found)
        contents = "".join(f"<Contents><Key>{escape(k)}</Key><Size>{len(objects[k])}</Size></Contents>" for k in page)
        after = f"<NextContinuationToken>{start + PAGE}</NextContinuationToken>" if more else ""
        body = (
            f'{XML}<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
            f"<IsTruncated>{str(more).lower()}</IsTruncated>{contents}{after}</ListBucketResult>"
        )
        return Reply(200, {"Content-Type": "application/xml"}, body.encode())

    def _assume(self, query: Mapping[str, list[str]]) -> Reply:
        role = self.web_tokens.get(query["WebIdentityToken"][0])
        if role is None or role != query["RoleArn"][0]:
            return Reply(403, body=_error("InvalidIdentityToken"))
        access, token = f"ASIA{len(self.keys)}", f"session{len(self.keys)}"
        self.keys[access], self.tokens[access] = f"secret{len(self.keys)}", token
        body = (
            f'{XML}<AssumeRoleWithWebIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">'
            "<AssumeRoleWithWebIdentityResult><Credentials>"
            f"<AccessKeyId>{access}</AccessKeyId><SecretAccessKey>{self.keys[access]}</SecretAccessKey>"
            f"<SessionToken>{token}</SessionToken><Expiration>{self.expires:%Y-%m-%dT%H:%M:%SZ}</Expiration>"
            "</Credentials></AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>"
        )
        return Reply(200, body=body.encode())


def etag_of(content: bytes) -> str:
    """As S3 makes it of an upload in one part."""
    return f'"{hashlib.md5(content).hexdigest()}"'


def _canonical(asked: Asked, headers: Mapping[str, str], signed: str) -> str:
    parts = urlsplit(asked.path)
    pairs = sorted(
        f"{quote(k, safe='-_.~')}={quote(v, safe='-_.~')}" for k, v in parse_qsl(parts.query, keep_blank_values=True)
    )
    path = quote(unquote(parts.path), safe="/-_.~")
    lines = "".join(f"{name}:{headers[name].strip()}\n" for name in signed.split(";"))
    text = "\n".join((asked.method, path, "&".join(pairs), lines, signed, headers["x-amz-content-sha256"]))
    return hashlib.sha256(text.encode()).hexdigest()


def _error(code: str) -> bytes:
    return f"{XML}<Error><Code>{code}</Code><Message>{code}</Message></Error>".encode()
