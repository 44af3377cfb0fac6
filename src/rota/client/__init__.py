"""A client of a service: the same calls over REST."""

from rota.client.answer import Answer
from rota.client.calls import Client
from rota.client.wire import Json

__all__ = ["Answer", "Client", "Json"]
