"""What a client waits for: the end of a job, and the lines of its log as they come."""

from __future__ import annotations

import time
from typing import Any

from rota.client.address import Address, path_of
from rota.client.answers import JobDetail, LogLine, LogPage
from rota.client.event_stream import FOLLOWING_PATIENCE_S, EventStream
from rota.client.script import Feed, Give, Pause, Script, call, feed
from rota.model import FINAL

LOOK_S = (0.02, 0.25)
"""First and longest pause between two looks at something that is waited for."""


class Following(Address):
    """The calls that last until something has happened."""

    @call
    def log_page(
        self,
        job_id: str,
        *,
        after: int = 0,
        limit: int = 1000,
        attempt: int | None = None,
        stream: str | None = None,
        q: str | None = None,
        patience_s: float | None = None,
    ) -> Script[LogPage]:
        """Return ``{lines, status, lastLine, nextAfter}``: log lines after a line number, and how the job stands.

        Of one ``attempt`` or ``stream``, or with the text ``q``, where that is asked.
        """
        which = {"limit": limit, "attempt": attempt, "stream": stream, "q": q}
        return self._log_page(job_id, after, patience_s, which)

    @feed
    def logs(self, /, job_id: str, *, after: int = 0, **which: Any) -> Feed[LogLine]:
        """Yield the log lines that there are, after a line number (``attempt, stream, q``)."""
        following: int | None = after
        while following is not None:
            page = yield from self._log_page(job_id, following, None, which)
            for line in page["lines"]:
                yield Give(line)
            following = page["nextAfter"]
            if following is not None and not page["lines"] and following >= page["lastLine"]:
                return

    @feed
    def follow(self, /, job_id: str, *, after: int = 0, **which: Any) -> Feed[LogPage]:
        """Yield pages of the log as they come, empty ones too, until the job has ended and all of it was read.

        Of one ``attempt`` or ``stream``, or with the text ``q``.  The service may be away for a minute meanwhile.
        """
        pause, longest = LOOK_S
        while True:
            page = yield from self._log_page(job_id, after, FOLLOWING_PATIENCE_S, which)
            yield Give(page)
            if page["nextAfter"] is None:
                return
            if page["nextAfter"] > after:
                after, pause = page["nextAfter"], LOOK_S[0]
            else:
                yield Pause(pause)
                pause = min(pause * 1.5, longest)

    @feed
    def follow_logs(self, job_id: str, *, after: int = 0) -> Feed[LogLine]:
        """Yield log lines the moment they come, until the job has ended and all of them were read.

        The service sends them, over one connection; where that is lost, it goes on behind the last line received.
        The service may be away for a minute.
        """
        path = path_of("/api/jobs", job_id, "logs", "stream")
        stream = EventStream(self, path, last_id=str(after) if after else None)
        while (event := (yield from stream.next())) is not None and event.name != "end":
            if event.name == "line":
                yield Give(event.data)

    @feed
    def looks(self, job_id: str) -> Feed[JobDetail]:
        """Yield the job again and again; the last time it has ended.  The service may be away for a minute."""
        pause, longest = LOOK_S
        while True:
            job = yield from self._look(job_id)
            yield Give(job)
            if job["status"] in FINAL:
                return
            yield Pause(pause)
            pause = min(pause * 1.5, longest)

    @call
    def wait(self, job_id: str, *, timeout_s: float | None = None) -> Script[JobDetail]:
        """Wait until a job has ended, however it ends, and return it; raises TimeoutError."""
        end = None if timeout_s is None else time.monotonic() + timeout_s
        pause, longest = LOOK_S
        while True:
            job = yield from self._look(job_id)
            if job["status"] in FINAL:
                return job
            if end is not None and time.monotonic() >= end:
                raise TimeoutError(f"job {job_id} is still {job['status']} after {timeout_s:g} s")
            yield Pause(pause)
            pause = min(pause * 1.5, longest)

    def _look(self, job_id: str) -> Script[JobDetail]:
        return self.ask("GET", path_of("/api/jobs", job_id), patience_s=FOLLOWING_PATIENCE_S)

    def _log_page(self, job_id: str, after: int, patience_s: float | None, which: dict[str, Any]) -> Script[LogPage]:
        params = {"after": after, **which}
        return self.ask("GET", path_of("/api/jobs", job_id, "logs"), params=params, patience_s=patience_s)
