"""Every event of the service's log: its meaning and its fields."""

from __future__ import annotations

import msgspec


class Event(msgspec.Struct, frozen=True):
    """What an event says, and which fields it may have beside the common ones."""

    meaning: str
    fields: tuple[str, ...] = ()


COMMON_FIELDS: dict[str, str] = {
    "time": "When, RFC 3339 in UTC with milliseconds.",
    "level": "`debug`, `info`, `warning` or `error`.",
    "event": "What happened: `noun/verb`, one of the list below.",
    "msg": "The same for people.",
    "service": "`ROTA_SERVICE_NAME`.",
    "role": "Which part of Rota speaks: `api`, `scheduler`, `worker`, `supervisor` …",
    "pid": "Number of the process.",
    "hostname": "Name of the machine.",
    "queue": "Queue of the job.",
    "jobType": "Type of the job.",
    "jobId": "Id of the job.",
    "attempt": "Number of the start of the job, from 1.",
    "priority": "Priority of the job.",
    "scheduleId": "Id of the schedule.",
    "workerId": "Id of the worker.",
    "durationMs": "How long it took, in milliseconds.",
    "error": "What went wrong, on one line.",
    "trace": "Traceback of the error.",
    "repeated": "How often the event was held back before this line (repeated events are counted, not repeated).",
}

_DUE = ("scheduledFor", "disposition", "reason")

EVENTS: dict[str, Event] = {
    # Jobs
    "job/imported": Event("Jobs that ended in another system were stored.", ("count", "by")),
    "job/enqueued": Event("A job was accepted.", ("runAt", "startedBy", "origin")),
    "job/started": Event("An attempt of a job began.", ("waitedMs",)),
    "job/completed": Event("A job completed.", ("waitedMs",)),
    "job/failed": Event("A job failed and is not tried again by itself.", ("waitedMs", "reason")),
    "job/retried": Event(
        "An attempt failed and the job will be tried again, or a person asked for that.",
        ("delayMs", "by"),
    ),
    "job/snoozed": Event("The target asked to be called later; no attempt is used.", ("delayMs",)),
    "job/interrupted": Event("A run was cut short through no fault of its own; the job is given back."),
    "job/cancelled": Event("A job was cancelled.", ("waitedMs", "reason", "by")),
    "job/cancel-requested": Event("A running job was asked to stop.", ("by",)),
    "job/deferred": Event("The target of an HTTP job has taken the work and answers later; no worker waits for it."),
    "job/expired": Event("A job waited longer than its `expiresIn` and was cancelled."),
    "job/deleted": Event("A job was deleted.", ("by",)),
    "job/lost": Event("The worker of a job is gone: it starts again, or fails if it may not repeat.", ("status",)),
    "job/result-refused": Event("A result came too late: the job belongs to another attempt by now."),
    "job/result-lost": Event("The database takes the result of a run in no form; the run is given back after a while."),
    "job/output": Event("A line of a job's output, where `ROTA_LOG_OUTPUT` is on.", ("stream", "n")),
    "job/edited": Event("Somebody changed a job that does not run.", ("by", "fields")),
    "operation/started": Event(
        "An action on all jobs that match a filter began.", ("operation", "action", "count", "by")
    ),
    "operation/ended": Event(
        "Such an action is done, was cancelled or failed; `count` jobs were changed.",
        ("operation", "action", "status", "count", "by"),
    ),
    "job/replaced": Event("A waiting job became what a later call with its unique key says.", ("startedBy",)),
    # Batches
    "batch/created": Event("Jobs were enqueued together.", ("batchId", "count", "by")),
    "batch/cancelled": Event("What had not been started of a batch was cancelled.", ("batchId", "count", "by")),
    # Job types
    "type/declared": Event("A job type was declared, by running code or by a person.", ("by",)),
    "type/paused": Event("A job type was paused.", ("by", "reason", "until")),
    "type/resumed": Event("A job type was resumed; by itself in time.", ("by",)),
    "type/removed": Event("A job type was removed.", ("by",)),
    "type/no-worker": Event("Jobs of a type wait, and no live worker has its code.", ("count", "oldestMs")),
    # Schedules
    "schedule/saved": Event("A schedule was made, changed, paused or resumed.", ("by", "version", "reason")),
    "schedule/removed": Event("A schedule was deleted.", ("by",)),
    "schedule/fired": Event("A due instant made a job.", _DUE),
    "schedule/skipped": Event("A due instant made no job, since an earlier run still runs.", _DUE),
    "schedule/paused": Event("A due instant made no job, since the schedule is paused.", _DUE),
    "schedule/blackout": Event("A due instant made no job, since a calendar excludes it.", _DUE),
    "schedule/coalesced": Event("Due instants were folded into a later one.", _DUE),
    "schedule/missed": Event("Due instants passed while no scheduler ran.", _DUE),
    "schedule/backfilled": Event("Instants that had made no job were made to run.", ("by", "count")),
    "schedule/left": Event("A schedule that the application declares belongs to another owner now.", ("owner",)),
    "schedule/invalid": Event("A stored schedule cannot be understood; it does not fire."),
    "schedule/refused": Event("A schedule that the application declares is refused."),
    # Queues
    "queue/paused": Event("A queue, or a concurrency key in it, was paused.", ("key", "by", "reason", "until")),
    "queue/resumed": Event("A queue, or a concurrency key in it, was resumed; by itself in time.", ("key", "by")),
    "queue/changed": Event("Limits or defaults of a queue were changed.", ("by",)),
    "calendar/saved": Event("A calendar was made or changed.", ("calendar", "version", "by")),
    "calendar/removed": Event("A calendar was deleted.", ("calendar", "by")),
    "check/saved": Event("A check (a job that Rota does not run) was made or changed.", ("check", "version", "by")),
    "check/removed": Event("A check was deleted.", ("check", "by")),
    "status-page/saved": Event("What is shown to anybody of a tag was changed.", ("tag", "page", "badge", "by")),
    "status-page/removed": Event("Nothing is shown of a tag any more.", ("tag", "by")),
    "secret/saved": Event("A named secret was made or changed.", ("secret", "version", "by")),
    "secret/removed": Event("A named secret was deleted.", ("secret", "by")),
    "secret/rotated": Event("Named secrets were encrypted with another key.", ("rotated", "by")),
    "queue/rate-limited": Event("A queue waits for its rate limit.", ("until", "limit", "per")),
    "queue/slowed": Event("A target asked for a pause: until then no HTTP job of the queue starts.", ("until", "by")),
    "queue/no-worker": Event("Jobs of a queue wait, and no live worker takes them.", ("count", "oldestMs", "labels")),
    # Monitors
    "monitor/opened": Event(
        "A monitor found that something is wrong; `heldBy` says why nobody is told.", ("monitor", "severity", "heldBy")
    ),
    "monitor/repeated": Event("It is still so, and is told again.", ("monitor", "severity", "tellings")),
    "monitor/closed": Event("It is over.", ("monitor", "reason")),
    "monitor/changed": Event("Somebody said what a monitor is like, or took that back.", ("monitor", "by")),
    "monitor/muted": Event("A monitor was muted.", ("monitor", "by", "reason", "until")),
    "monitor/unmuted": Event("The mute of a monitor was ended.", ("monitor", "by")),
    # Processes
    "supervisor/started": Event("`rota up` began to start its parts."),
    "supervisor/stopped": Event("All parts of `rota up` have ended."),
    "supervisor/child-died": Event("A part of `rota up` died and is started again.", ("child", "exitCode")),
    "worker/started": Event("A worker takes jobs.", ("queues", "slots", "labels", "version")),
    "worker/stopped": Event("A worker has ended."),
    "worker/draining": Event("A worker takes no more jobs and waits for those that run.", ("running",)),
    "worker/lease-lost": Event("A worker could not renew its lease and stops what it runs."),
    "worker/lease-left": Event("A process ended while the database was away; its lease runs out by itself."),
    "worker/lost": Event("The lease of a worker ran out without its farewell."),
    "scheduler/started": Event("A scheduler fires schedules.", ("version",)),
    "scheduler/stopped": Event("A scheduler has ended."),
    "api/started": Event("A process of the API is known to the others.", ("version",)),
    "server/listening": Event("The API, or a probe port, answers at an address.", ("host", "port", "url")),
    "server/stopped": Event("The API answers no more."),
    "app/changed": Event("Files of the application changed: its functions are loaded anew.", ("path", "count")),
    "runner/started": Event("A runner process for functions is ready.", ("runner", "runnerPid")),
    "runner/recycled": Event("A runner was replaced, for its age or its memory.", ("runner", "runnerPid", "reason")),
    "runner/killed": Event("A runner was killed, for what it ran.", ("runner", "runnerPid", "reason")),
    "runner/died": Event("A runner ended by itself.", ("runner", "runnerPid", "exitCode", "running")),
    "shepherd/died": Event("The process that starts commands ended, and they with it.", ("exitCode", "running")),
    "app/loaded": Event("The application named by `ROTA_APP` could not be loaded, and now is."),
    "app/failed": Event("The application cannot be loaded; its job types wait.", ("app",)),
    "loop/failed": Event("A round of an inner loop failed; it is tried again.", ("loop",)),
    "loop/stalled": Event("The work of a process stands still; its lease is not renewed."),
    "process/crashed": Event("A process or thread met an error that nobody handled.", ("thread",)),
    "broker/away": Event("The Redis of RQ or Celery workers cannot be used; it is tried again.", ("broker",)),
    "broker/back": Event("It can be used again.", ("broker",)),
    # Database
    "database/lost": Event("The database cannot be used; every loop tries again.", ("loop",)),
    "database/back": Event("The database can be used again."),
    "database/migrated": Event("The schema was changed.", ("migration",)),
    "database/no-hints": Event("The database sends no hints; work is found by polling.", ("reason",)),
    "database/journal-large": Event(
        "The journal of the SQLite file grows, since a process does not end what it reads.", ("bytes", "pids")
    ),
    "database/journal-small": Event("The journal of the SQLite file was written back.", ("bytes",)),
    "retention/deleted": Event("Old history was deleted.", ("count",)),
    "retention/archive-failed": Event("Ended jobs are kept, since the archive cannot be written."),
    "retention/pack-failed": Event("A file of the archive stays as lines, since it cannot be made into Parquet."),
    # Traces
    "traces/on": Event("Spans are sent to a collector of OpenTelemetry, as `OTEL_*` says."),
    "traces/off": Event("`OTEL_*` asks for traces, and none can be sent.", ("reason",)),
    # Channels
    "notice/sent": Event("A channel was told of one or more notices, in one message.", ("notice", "channel", "count")),
    "notice/failed": Event("A channel was not told, and it is not tried again.", ("notice", "channel", "count")),
    "channel/failing": Event("A channel does not take messages; it is tried again.", ("channel",)),
    "channel/recovered": Event("A channel takes messages again.", ("channel",)),
    "channel/removed": Event("A channel is in no settings any more; what waited is dropped.", ("channel", "count")),
    "canary/failing": Event("The outside monitor of `ROTA_CANARY_URL` is not reached; it is tried again."),
    "canary/recovered": Event("It is reached again."),
    # Access
    "auth/refused": Event(
        "A request was refused: no credential, a bad one, or too weak a one.",
        ("status", "method", "path", "client", "reason", "subject"),
    ),
    "auth/issuer-failed": Event("The issuer gave no keys; known ones are used for up to a day.", ("reason",)),
    "auth/clerk-failed": Event("Clerk did not say which role a user has; the request is answered 503.", ("reason",)),
    "auth/changed": Event("An API token was made or revoked.", ("by", "tokenName")),
    "user/unresolved": Event("The user service gave no id; the subject of the token is kept.", ("reason",)),
    "request/failed": Event("A request ended in an error of the service.", ("method", "path", "status")),
    # The log itself
    "log/*": Event("A record of a library's logger; the name behind the slash is the logger's."),
    "log/dropped": Event("Lines could not be written: the disk was full, or nobody read.", ("count",)),
}
