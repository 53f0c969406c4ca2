"""Forms (multipart/form-data) as requests have them, and what is wrong with others. Reads requests."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError
from multidict import MultiDictProxy

from inferfleet_runtime.api.errors import ApiError

Value = str | bytes | bytearray | web.FileField
Form = MultiDictProxy[Value]


async def form_of(request: web.Request, too_large: ApiError) -> Form:
    """Files of it lie on the disk. Raises the 400 of what is no form, and `too_large`."""
    try:
        return await request.post()
    except web.HTTPRequestEntityTooLarge:
        # aiohttp says the same of a form with too many fields
        if request.content.total_bytes > request.client_max_size:
            raise too_large from None
        raise ApiError(400, "the form has too many fields") from None
    except HttpProcessingError as error:
        raise ApiError(400, "the body is no form: it or the headers of a part are malformed") from error
    except (ValueError, LookupError, RuntimeError) as error:
        # a part's charset and transfer encoding are looked up by their names
        raise ApiError(400, f"the body is no form: {error}") from error


@contextmanager
def closing_files(form: Form) -> Iterator[None]:
    """Remove the files of a form from the disk in the end, whatever comes of it."""
    with ExitStack() as files:
        for value in form.values():
            if isinstance(value, web.FileField):
                files.callback(value.file.close)
        yield
