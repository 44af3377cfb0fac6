"""The reference of errors: every code that a refused request or a failed attempt can carry."""

from __future__ import annotations

from collections.abc import Iterator

import rota.api.app
import rota.handle
from rota.api.reply import Problem
from rota.errors import RotaError

assert rota.api.app and rota.handle, "imported for the errors that they declare"

INTRODUCTION = """\
# Errors

Rota says what is wrong in one line, and what would help where it knows. There are three places where you meet that.

## A refused request

A request that is refused gets an answer of the type `application/problem+json` ([RFC 9457](https://www.rfc-editor.org/rfc/rfc9457)):

```json
{
  "status": 422,
  "title": "Unprocessable Entity",
  "detail": "jobType: 'nope' was never declared",
  "code": "unknown-job-type",
  "error": "jobType: 'nope' was never declared",
  "field": "jobType",
  "hint": "start a worker with its code, or PUT /api/job-types/NAME"
}
```
"""

FIELDS = {
    "status": "The HTTP status once more.",
    "title": "The name of that status.",
    "detail": "What is wrong, for people. The words may change.",
    "code": "What is wrong, for programs. A code never changes its meaning.",
    "error": "The same text as `detail`, for clients that read a field of this name.",
    "field": "The field that is wrong, as a dotted path such as `target.url` or `jobs.3.args`; left out where there is none.",
    "hint": "What would help; left out where nothing is known.",
}

AFTER_FIELDS = """\
Answers with 401 carry `WWW-Authenticate`, those with 503 that come from the database carry `Retry-After: 2`. 401 and
403 come before 404 and 422: who may not look is not told what is there.

Is it safe to send a request again? After 4xx, mend it first. After 503 or a lost connection, yes for `GET`, `PUT` and
`DELETE`. For a `POST` that creates something, send the header `Idempotency-Key` with both tries; then the second is
answered like the first and creates nothing.
"""

REFUSALS: dict[str, tuple[str, str]] = {
    "conflict": ("The thing is in a state that does not allow this.", "Look at it again; `detail` says the state."),
    "database-busy": ("The database had no time for this within some seconds.", "Try again."),
    "database-error": ("The database refused a statement.", "See the log of the service."),
    "database-full": ("The disk of the database is full.", "Make room; Rota goes on by itself."),
    "database-read-only": ("The database takes no changes: a standby, or a file without the right to write.", "Mend that."),
    "database-unavailable": ("The database cannot be reached.", "Try again; Rota reconnects by itself."),
    "forbidden": ("The role of the token does not reach so far, or the Host or Origin is not allowed.", "`hint` says which role it takes."),
    "internal-error": ("Rota has a defect.", "The log of the service has the event `request/failed` with a trace."),
    "invalid": ("A value is wrong.", "`field` names it, `hint` says what is expected."),
    "job-failed": ("Only in Python: `job.raise_for_status()` of a job that has failed or was cancelled.", "`job.error` says why."),
    "method-not-allowed": ("The address is right, the method is not.", "The header `Allow` names those that are."),
    "not-found": ("There is no such thing, or no such address.", "Check the id. What was deleted or is past its retention is not found either."),
    "refused": ("The HTTP layer refused the request.", "See `detail`."),
    "schema-mismatch": ("The tables are older or newer than this version of Rota.", "Run `rota db migrate`, or install the newer version."),
    "service-unavailable": ("The service, or one that it asks, cannot be reached.", "Try again."),
    "setting-invalid": ("A setting has an unknown name or a wrong value. The process does not start, with exit code 2.", "The line names the setting and what is expected."),
    "too-large": ("A body, arguments or another value are larger than their limit.", "Pass a reference to the data, or raise the [limit](settings.md#limits)."),
    "too-many-logins": ("Ten logins of this client failed within a minute.", "Wait as long as `Retry-After` says."),
    "unauthorized": ("No token, or one that is not valid.", "Send `Authorization: Bearer TOKEN`."),
    "unknown-job-type": ("No job type of this name was ever declared.", "Start a worker with its code, or declare it with `PUT /api/job-types/NAME`."),
    "unsupported-media-type": ("The body is not said to be JSON.", "Send `Content-Type: application/json`."),
}  # fmt: skip
"""Code → (what it means, what to do)."""

OF_HTTP_LAYER = {"method-not-allowed": "405", "refused": "4xx", "too-many-logins": "429"}
"""Statuses of codes that no class of `rota.errors` has."""
NOT_SENT = {"job-failed", "setting-invalid"}

COMMAND_LINE = """\
## The command line

`rota` prints errors to standard error as one line, `rota: error: …`, and ends with

| exit code | means |
|---|---|
| 0 | it is done |
| 1 | it failed: the service or the database refused it, a job failed, a check found something |
| 2 | it was called wrongly: an unknown option, a wrong value or setting |
| 130 | it was interrupted with Ctrl-C |
| any other | only `rota exec`: the exit code of the command |
"""

ATTEMPTS_INTRODUCTION = """\
## A failed attempt

A job whose attempt failed has one line in `error`, and in `errorDetail` the fields `code`, `type` (of the exception or
signal), `message` and `trace` (traceback, or the end of standard error). The codes:
"""

ATTEMPTS: dict[str, list[tuple[str, str, str]]] = {
    "Any target": [
        ("timeout", "yes", "The attempt took longer than its time-out, and was ended."),
        ("result-not-json", "no", "The work was done, but its result is not JSON or is nested too deep. It is not repeated."),
        ("answer-failed", "see right", "The result says so itself: `success` is false (tried again), or `status` is `failed` (not tried again)."),
        ("answer-invalid", "yes", "The result has `status` `retry` without a proper `delayMs`."),
    ],
    "Functions": [
        ("exception", "yes", "The function raised an exception; `type` and `trace` are its own."),
        ("failed", "no", "The function raised `Fail`."),
        ("system-exit", "yes", "The function called `sys.exit`."),
        ("args-invalid", "no", "The arguments do not fit the function."),
        ("runner-died", "yes", "The process in which the function ran ended: a crash, `os._exit`, out of memory."),
        ("function-not-loaded", "given back", "This worker does not have the function; another, or a later try, may. No attempt is used."),
        ("no-runner", "given back", "The application cannot be loaded at the moment. No attempt is used."),
        ("function-forbidden", "no", "The target names a function outside `ROTA_FUNCTION_MODULES`."),
        ("function-not-found", "no", "The module has no such function."),
        ("import-error", "yes", "The module of the target cannot be imported."),
        ("target-invalid", "no", "The stored target is malformed."),
    ],
    "Commands": [
        ("exit-code", "yes", "The command ended with a code that `exitCodes` does not name; `message` is the code. With the action `fail` it is not tried again."),
        ("signal", "yes", "A signal ended the command; `type` is its name, `message` is 128 and its number."),
        ("cpu-limit", "yes", "The command used up the CPU time of its `limits`."),
        ("not-found", "no", "There is no such program."),
        ("not-executable", "no", "The program may not be run, or is none."),
        ("not-started", "no", "The command could not be started: working directory, user, length of arguments."),
        ("unkillable", "yes", "The command could not be killed; `error` names the process."),
        ("keeper-lost", "yes", "The process that watches over the command was killed, as a rule by the command itself."),
        ("target", "no", "The stored target cannot be run."),
    ],
    "HTTP": [
        ("http-NNN", "see right", "The target answered with this status. 408, 425, 429 and 5xx are tried again, others are not."),
        ("answer-missing", "no", "The answer has nothing where the target's `answer` points."),
        ("address", "no", "The address cannot be called."),
        ("forbidden-address", "no", "The address is never called, or the settings deny it."),
        ("target", "see right", "The stored target cannot be called. Where only its `service` is unknown it is tried again: another worker may know it."),
        ("body", "no", "The body template has a placeholder without a value, or becomes too long."),
        ("no-shared-secret", "no", "The target's `auth` needs the shared secret, and none is set."),
        ("dns", "yes", "The name cannot be resolved."),
        ("connect", "yes", "No connection: refused, unreachable."),
        ("connection", "yes", "The connection failed on the way."),
        ("disconnected", "yes", "The target hung up without an answer."),
        ("tls", "yes", "No TLS, or a certificate that is not trusted."),
        ("proxy", "yes", "The proxy cannot be used."),
        ("broken-answer", "yes", "The answer is not HTTP, or broke off."),
        ("encoding", "see right", "The answer is compressed in a way that was not asked for. After a 2xx it is not repeated."),
        ("redirect", "no", "A redirect leads to an address that is not called."),
        ("redirects", "no", "More redirects than the target allows."),
        ("internal", "yes", "The call failed in a way that Rota does not know."),
    ],
}  # fmt: skip
"""Kind of target → (code, whether it is tried again, what it means)."""

AFTER_ATTEMPTS = """\
*Tried again* holds as long as the job has attempts left. *Given back* means that the attempt is closed as interrupted
and uses none. See [delivery](../explanation/delivery.md).
"""


def errors_page() -> str:
    """Return the reference of all errors."""
    fields = [f"| `{name}` | {FIELDS[name]} |" for name in Problem.__struct_fields__]
    parts = [
        INTRODUCTION.rstrip(),
        "\n".join(["| field | meaning |", "|---|---|", *fields]),
        AFTER_FIELDS.rstrip(),
        "\n".join(["| code | status | meaning | what to do |", "|---|---|---|---|", *_refusals()]),
        COMMAND_LINE.rstrip(),
        ATTEMPTS_INTRODUCTION.rstrip(),
    ]
    for kind, codes in ATTEMPTS.items():
        rows = [f"| `{code}` | {again} | {meaning} |" for code, again, meaning in codes]
        parts.append("\n".join([f"### {kind}", "", "| code | tried again | meaning |", "|---|---|---|", *rows]))
    parts.append(AFTER_ATTEMPTS.rstrip())
    return "\n\n".join(parts) + "\n"


def statuses() -> dict[str, str]:
    """Return every code of a refusal with the statuses that it comes with."""
    found: dict[str, set[str]] = {code: {status} for code, status in OF_HTTP_LAYER.items()}
    for kind in _kinds(RotaError):
        found.setdefault(kind.code, set()).add("—" if kind.code in NOT_SENT else str(kind.status))
    return {code: ", ".join(sorted(found[code])) for code in sorted(found)}


def _refusals() -> list[str]:
    return [f"| `{code}` | {status} | {' | '.join(REFUSALS[code])} |" for code, status in statuses().items()]


def _kinds(kind: type[RotaError]) -> Iterator[type[RotaError]]:
    yield kind
    for child in kind.__subclasses__():
        yield from _kinds(child)
