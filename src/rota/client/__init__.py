"""A client of a service: the same calls over REST."""

from rota.client.calls import Client
from rota.client.wire import Json

__all__ = ["Client", "Json"]
