"""Questions to services that know who people are: short answers in JSON, in time or not at all."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from ssl import SSLContext

MOST_BYTES = 1 << 20


class NoAnswer(Exception):
    """A service gave no answer that can be used; the text says why, and holds nothing of the answer."""

    def __init__(self, reason: str, status: int | None = None) -> None:
        super().__init__(reason)
        self.status = status
        """What it answered, where that was not 200."""


async def ask(
    url: str, *, within_s: float, headers: Mapping[str, str] | None = None, form: Mapping[str, str] | None = None
) -> bytes:
    """Return what a service answers to GET, or to POST of a form, with status 200.

    It must come within ``within_s`` seconds and be no longer than a mebibyte; redirects are not followed.  Raises
    NoAnswer.
    """
    import httpx  # here and below: most services ask nobody

    try:
        async with asyncio.timeout(within_s):
            return await _ask(url, dict(headers or {}), form, within_s)
    except TimeoutError:
        raise NoAnswer(f"no answer within {within_s:g} s") from None
    except httpx.ConnectError:
        raise NoAnswer("it cannot be reached") from None
    except (httpx.HTTPError, httpx.InvalidURL, UnicodeError) as error:
        raise NoAnswer(f"no good answer: {type(error).__name__}") from None


async def ask_object(
    url: str, *, within_s: float, headers: Mapping[str, str] | None = None, form: Mapping[str, str] | None = None
) -> dict[str, object]:
    """Return the JSON object that a service answers, as `ask` does; raises NoAnswer for anything else."""
    body = await ask(url, within_s=within_s, headers=headers, form=form)
    try:
        return msgspec.json.decode(body, type=dict[str, object])
    except (msgspec.DecodeError, RecursionError):
        raise NoAnswer("the answer is no JSON object", 200) from None


async def _ask(url: str, headers: dict[str, str], form: Mapping[str, str] | None, within_s: float) -> bytes:
    import httpx

    # No cookies, no proxy and no .netrc of the environment; a client lives as long as its event loop at most, and
    # questions are rare, so each has its own.
    async with (
        httpx.AsyncClient(verify=_trusted(), timeout=within_s, trust_env=False) as client,
        client.stream(
            "GET" if form is None else "POST", url, headers={"Accept": "application/json", **headers}, data=form
        ) as answer,
    ):
        if answer.status_code != 200:
            raise NoAnswer(f"it answers {answer.status_code}", answer.status_code)
        body = bytearray()
        async for part in answer.aiter_bytes():
            body += part
            if len(body) > MOST_BYTES:
                raise NoAnswer(f"the answer is longer than {MOST_BYTES} bytes", answer.status_code)
        return bytes(body)


@lru_cache(maxsize=1)
def _trusted() -> SSLContext:
    """All certificates are read once: that takes longer than a question."""
    import httpx

    return httpx.create_ssl_context(trust_env=False)
