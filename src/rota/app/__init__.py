"""``Rota``: the face towards Python.  It declares jobs and schedules, and enqueues straight into the database."""

from rota.app.application import Rota
from rota.app.declaring import type_of
from rota.app.handed import CeleryJob, RqJob
from rota.app.targets import CommandJob, HttpJob

__all__ = ["CeleryJob", "CommandJob", "HttpJob", "Rota", "RqJob", "type_of"]
