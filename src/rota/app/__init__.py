"""``Rota``: the face towards Python.  It declares jobs and schedules, and enqueues straight into the database."""

from rota.app.application import Rota
from rota.app.declaring import type_of
from rota.app.targets import CommandJob, HttpJob

__all__ = ["CommandJob", "HttpJob", "Rota", "type_of"]
