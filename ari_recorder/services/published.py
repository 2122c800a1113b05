"""A published copy of the notice: a file of this host, or a page of the city's site."""

import asyncio
import ssl
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp

_SECONDS = 10.0
# A notice is a page of text; what is longer is another thing.
_MOST_BYTES = 2 << 20


class Unread(Exception):
    """It cannot be read; the text says why."""


async def read(place: str) -> str:
    """`place`: an absolute path, or an address. Unread."""
    try:
        return await (asyncio.to_thread(_file, place) if place.startswith("/") else _page(place))
    except TimeoutError:
        raise Unread("no answer in time") from None
    except OSError as error:
        raise Unread(error.strerror or type(error).__name__) from None
    except (UnicodeDecodeError, aiohttp.ClientError) as error:
        raise Unread(type(error).__name__) from None


def _file(place: str) -> str:
    with Path(place).open("rb") as file:
        return file.read(_MOST_BYTES).decode()


async def _page(address: str) -> str:
    """Redirects within the same host are followed: sites have them. Others would lead elsewhere."""
    timeout = aiohttp.ClientTimeout(total=_SECONDS)
    headers = {"Accept": "text/html", "User-Agent": "ari-recorder"}
    context = await asyncio.to_thread(ssl.create_default_context)
    async with aiohttp.ClientSession(timeout=timeout, headers=headers) as session:
        for _ in range(5):
            async with session.get(address, allow_redirects=False, ssl=context) as answer:
                if answer.status == 200:
                    return await _body(answer)
                if not 300 <= answer.status < 400 or "Location" not in answer.headers:
                    raise Unread(f"it answers {answer.status}")
                following = str(answer.url.join(type(answer.url)(answer.headers["Location"])))
            if urlsplit(following)[:2] != urlsplit(address)[:2]:
                raise Unread("it leads to another host")
            address = following
    raise Unread("it leads in a circle")


async def _body(answer: aiohttp.ClientResponse) -> str:
    body = b""
    async for chunk in answer.content.iter_chunked(1 << 16):
        body += chunk
        if len(body) > _MOST_BYTES:
            raise Unread("it is no page of text")
    return body.decode()
