"""Answers in XML, as S3 and STS give them. Pure."""

from xml.etree import ElementTree

from inferfleet_runtime.errors import CommandError
from inferfleet_runtime.weights.sources.http_client import Answer


def tree(answer: Answer, uri: str) -> ElementTree.Element:
    """The document. Raises CommandError where it is none, or declares entities, which no such answer does."""
    if b"<!" in answer.body:
        raise CommandError(f"{uri}: {answer.url.partition('?')[0]} answers with a document that is not S3's")
    try:
        return ElementTree.fromstring(answer.body)  # noqa: S314 - without declarations there are no entities to expand
    except ElementTree.ParseError as error:
        raise CommandError(f"{uri}: {answer.url.partition('?')[0]} answers with no XML: {error}") from error


def text_of(element: ElementTree.Element, name: str) -> str:
    """Text of the child of that name in any namespace; empty where there is none."""
    return element.findtext(f"{{*}}{name}") or ""
