"""What an application can run: its job functions, calls of addresses, commands."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, cast

from rota.app import asking
from rota.app.asking import Args, Work
from rota.app.handed import CeleryJob, RqJob
from rota.app.targets import CommandJob, HttpJob
from rota.errors import Invalid
from rota.job import Duration, JobFunction

Runnable = Work | Callable[..., Any]


class Works:
    """The half of an application that knows what can be run."""

    def __init__(self) -> None:
        self.jobs: dict[str, JobFunction[..., Any]] = {}
        """The job functions by the names of their types."""

    def job_request(
        self,
        url: str | None = None,
        *,
        service: str | None = None,
        path: str | None = None,
        method: str = "POST",
        headers: Mapping[str, str] | None = None,
        body: Any = None,
        answer: str | None = None,
        expect: Sequence[int] | None = None,
        auth: Mapping[str, Any] | None = None,
        timeout: Duration | None = None,
        redirects: int | None = None,
    ) -> HttpJob:
        """Return a job that calls an address: ``url``, or ``path`` of a ``service`` that the settings name."""
        return HttpJob(
            url=url,
            service=service,
            path=path,
            method=method,
            headers=headers,
            body=body,
            answer=answer,
            expect=expect,
            auth=auth,
            timeout=timeout,
            redirects=redirects,
        )

    def command(
        self,
        command: str | Sequence[str],
        *,
        env: Mapping[str, str] | None = None,
        cwd: str | None = None,
        stdin: str | None = None,
        user: str | None = None,
        exit_codes: Mapping[int, str] | None = None,
        limits: Mapping[str, Any] | None = None,
    ) -> CommandJob:
        """Return a job that runs a command: a list of arguments, or one text for the shell."""
        return CommandJob(
            command=command, env=env, cwd=cwd, stdin=stdin, user=user, exit_codes=exit_codes, limits=limits
        )

    def rq(
        self,
        function: str,
        *,
        queue: str | None = None,
        connection: str | None = None,
        url: str | None = None,
        serializer: Literal["pickle", "json"] | None = None,
        result_ttl: Duration | None = None,
        description: str | None = None,
        wait: Literal["finished", "accepted"] | None = None,
        timeout: Duration | None = None,
    ) -> RqJob:
        """Return a job that RQ workers run: a function by its name, ``module.name``."""
        return RqJob(
            function=function,
            queue=queue,
            connection=connection,
            url=url,
            serializer=serializer,
            result_ttl=result_ttl,
            description=description,
            wait=wait,
            timeout=timeout,
        )

    def celery(
        self,
        task: str,
        *,
        queue: str | None = None,
        connection: str | None = None,
        broker_url: str | None = None,
        backend_url: str | None = None,
        wait: Literal["finished", "accepted"] | None = None,
        timeout: Duration | None = None,
    ) -> CeleryJob:
        """Return a job that Celery workers run: a task by its name."""
        return CeleryJob(
            task=task,
            queue=queue,
            connection=connection,
            broker_url=broker_url,
            backend_url=backend_url,
            wait=wait,
            timeout=timeout,
        )

    def _work(self, what: Runnable, args: Args) -> tuple[Work, str]:
        """Return what is to run and its checked arguments."""
        if isinstance(what, JobFunction):
            return what, asking.checked_args(what, args)
        if what == self.job_request:  # func=rota.job_request, args=[url]
            return self._requested(args), "{}"
        if isinstance(what, (HttpJob, CommandJob)):
            return what, asking.checked_args(None, args)
        if isinstance(what, (RqJob, CeleryJob)):
            return what, asking.handed_args(args)
        function = self._function(what)
        return function or cast(str, what), asking.checked_args(function, args)

    def _requested(self, args: Args) -> HttpJob:
        try:
            return self.job_request(**args) if isinstance(args, Mapping) else self.job_request(*(args or ()))
        except TypeError as error:
            raise Invalid("args", str(error), hint='for example ["https://example.com/hook"]') from None

    def _function(self, what: Runnable) -> JobFunction[..., Any] | None:
        """Return the job function that is meant; None for a type that other code declares."""
        if isinstance(what, JobFunction):
            return what
        if isinstance(what, str):
            return self.jobs.get(what)
        for function in self.jobs.values():
            if function.function is what:
                return function
        name = getattr(what, "__qualname__", repr(what))
        raise Invalid("func", f"{name} is no job of this application", hint="decorate it with @rota.job")
