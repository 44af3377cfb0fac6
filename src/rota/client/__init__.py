"""A client of a service: the same calls over REST."""

from collections.abc import Mapping
from typing import Any

from rota.client.answer import Answer
from rota.client.calls import AsyncClient, Client

Json = Mapping[str, Any]

__all__ = ["Answer", "AsyncClient", "Client", "Json"]
