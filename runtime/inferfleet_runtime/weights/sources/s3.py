"""`s3://bucket/key`, and every store that speaks S3. Reads the network.

Region: `AWS_REGION` or `AWS_DEFAULT_REGION`, else us-east-1; the bucket's own where the answer names it. Endpoint:
`AWS_ENDPOINT_URL_S3` or `AWS_ENDPOINT_URL` (addressed by path), else Amazon's. Who asks: `aws`.
"""

import base64
import binascii
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from urllib.parse import quote, urlencode, urlsplit
from xml.etree import ElementTree

from inferfleet_runtime.errors import CommandError
from inferfleet_runtime.weights.sources.aws import Identity
from inferfleet_runtime.weights.sources.http_client import Answer
from inferfleet_runtime.weights.sources.remote import Digest, Listing, RemoteFile
from inferfleet_runtime.weights.sources.seam import Asked, bucket_and_key, endpoint, inside, refused
from inferfleet_runtime.weights.sources.sigv4 import Scope, encoded, signed
from inferfleet_runtime.weights.sources.xml_answer import text_of, tree


def listing(asked: Asked) -> Listing:
    """The object that the URI names, else all below it. Raises CommandError."""
    bucket, key = bucket_and_key(asked.uri)
    env = asked.env
    region = env.get("AWS_REGION") or env.get("AWS_DEFAULT_REGION") or "us-east-1"
    store = _Store(asked, bucket, region, Identity(asked, region))
    named = "" if key.endswith("/") else key
    answer = store.ask(named, "HEAD")
    if answer.status in (301, 400) and (own := answer.headers.get("x-amz-bucket-region", region)) != region:
        store = _Store(asked, bucket, own, Identity(asked, own))
        answer = store.ask(named, "HEAD")
    if named:
        if answer.status == 200:
            return Listing((store.object(key, key.rpartition("/")[2], answer),))
        if answer.status != 404:
            raise refused(asked.uri, answer)
        key += "/"
    files = tuple(store.object(name, name.removeprefix(key), store.head(name)) for name in store.below(key))
    if not files:
        raise CommandError(f"{asked.uri}: there is no such object, and none below it")
    return Listing(files)


@dataclass(frozen=True)
class _Store:
    asked: Asked
    bucket: str
    region: str
    identity: Identity

    @property
    def _base(self) -> str:
        env = self.asked.env
        if given := env.get("AWS_ENDPOINT_URL_S3") or env.get("AWS_ENDPOINT_URL"):
            return f"{endpoint(given, self.asked.uri)}/{quote(self.bucket)}"
        if "." in self.bucket:  # the wildcard of the certificate covers one label
            return f"https://s3.{self.region}.amazonaws.com/{quote(self.bucket)}"
        return f"https://{self.bucket}.s3.{self.region}.amazonaws.com"

    def _sign(self, url: str, method: str = "GET") -> Mapping[str, str]:
        extra = {"x-amz-checksum-mode": "ENABLED"} if method == "HEAD" else {}
        keys = self.identity.keys()
        if keys is None:
            return extra
        return signed(method, url, keys, Scope(self.region), self.asked.http.clock.utc(), extra)

    def ask(self, key: str, method: str = "GET", query: str = "") -> Answer:
        url = f"{self._base}/{encoded(key)}{query}"
        return self.asked.http.get(url, lambda: self._sign(url, method), method)

    def head(self, key: str) -> Answer:
        answer = self.ask(key, "HEAD")
        if answer.status != 200:
            raise refused(self.asked.uri, answer)
        return answer

    def object(self, key: str, path: str, head: Answer) -> RemoteFile:
        """As its HEAD describes it. The ETag pins its content: a GET of another is refused (412)."""
        etag = head.headers.get("etag")
        url = f"{self._base}/{encoded(key)}"
        return RemoteFile(
            path=inside(path, self.asked.uri),
            uri=f"s3://{self.bucket}/{key}",
            url=url,
            sign=lambda: self._sign(url),
            size=int(head.headers["content-length"]) if "content-length" in head.headers else None,
            digest=_digest(head.headers),
            version=f"{urlsplit(url).netloc} {etag}" if etag else None,
            etag=etag,
            pinned=etag is not None,
        )

    def below(self, prefix: str) -> Iterator[str]:
        """Keys of objects; what stands for a folder is none."""
        query = {"list-type": "2", "prefix": prefix}
        while True:
            answer = self.ask("", query=f"?{urlencode(query, quote_via=quote)}")
            if answer.status != 200:
                raise refused(self.asked.uri, answer)
            found: ElementTree.Element = tree(answer, self.asked.uri)
            for content in found.iterfind("{*}Contents"):
                if not (key := text_of(content, "Key")).endswith("/"):
                    yield key
            if text_of(found, "IsTruncated") != "true":
                return
            query["continuation-token"] = text_of(found, "NextContinuationToken")


def _digest(headers: Mapping[str, str]) -> Digest | None:
    """Of the whole object only: `hash-parts` is of an upload in parts and says nothing about the content."""
    text = headers.get("x-amz-checksum-sha256", "")
    if not text or "-" in text or headers.get("x-amz-checksum-type") == "COMPOSITE":
        return None
    try:
        return Digest("sha256", base64.b64decode(text, validate=True).hex())
    except binascii.Error:
        return None
