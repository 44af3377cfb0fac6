"""An application that logs by structlog: by printing, and by way of ``logging``."""

from __future__ import annotations

import logging

import structlog

from rota import Context, Rota

rota = Rota()


@rota.job
async def say(ctx: Context, n: int) -> None:
    """Say something in each way."""
    as_text = [structlog.processors.KeyValueRenderer()]
    structlog.wrap_logger(structlog.PrintLogger(), processors=as_text).info("printed", n=n)
    orders = logging.getLogger("shop.orders")
    structlog.wrap_logger(orders, processors=as_text, wrapper_class=structlog.stdlib.BoundLogger).warning("sent", n=n)
    ctx.log.info("by the context %d", n)
