"""The service's own log: events as lines of JSON, or of text on a terminal."""

from rota.logs.configure import close, configure
from rota.logs.events import COMMON_FIELDS, EVENTS, Event
from rota.logs.service import event, event_limited, flush, forget_repeated, is_on, mask, masked, record, strict

__all__ = [
    "COMMON_FIELDS",
    "EVENTS",
    "Event",
    "close",
    "configure",
    "event",
    "event_limited",
    "flush",
    "forget_repeated",
    "is_on",
    "mask",
    "masked",
    "record",
    "strict",
]
