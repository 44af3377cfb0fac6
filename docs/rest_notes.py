"""What the fields of the REST interface mean, by name; ``Struct.field`` where one name means two things."""

from __future__ import annotations

SENT = {
    # what is run
    "jobType": "Name of a declared job type.",
    "target": "What is executed, see [targets](targets.md). Exactly one of `jobType` and `target` is given. "
    "A target needs an admin.",
    "TypeIn.target": "What is executed, see [targets](targets.md).",
    "args": "Arguments, kept byte for byte: an object for functions, any JSON for other targets.",
    "argsSchema": "JSON schema (2020-12) that arguments must fit.",
    "defaults": "What its jobs get unless they say otherwise.",
    "queue": "Queue; made by its first job. `default` when not given.",
    "FilterIn.queue": "Queue.",
    "priority": "Higher runs first, 0 by default; or a name that `ROTA_PRIORITIES` gives.",
    "maxAttempts": "Most attempts: 1 for commands, 4 otherwise.",
    "retry": "When a failed attempt is tried again.",
    "timeout": "Longest time of an attempt: 30 s for HTTP, else 1 h; with the target's own the smaller holds.",
    "expiresIn": "How long the job may wait; then it is cancelled.",
    "TokenIn.expiresIn": "How long it is valid; for ever when not given.",
    "concurrencyKey": "Stored and shown; limits by key come in a later version.",
    "tags": "Up to 50 texts to find the job by.",
    "onLost": "`retry` (default) or `fail`: whether the job may start again after its worker was lost.",
    # when a job is run, and for whom
    "delayMs": "Start so many milliseconds later; not together with `runAt`.",
    "runAt": "Start at this time, with its zone: `2027-01-05T08:00:00Z`.",
    "uniqueKey": "While another job holds this key, that one is answered and nothing is stored.",
    "uniqueScope": "How long the job holds its key: `active` (default) until it has ended, `waiting` until it starts.",
    "callbackUrl": "Address that is called instead of the target's: on the same host, or one of `ROTA_CALLBACK_HOSTS`. "
    "Needs an admin.",
    "startedBy": "For whom the job is enqueued; else the subject of the token. Not believed from a browser session.",
    "FilterIn.startedBy": "Who started it.",
    "triggeredBy": "The same as `startedBy`.",
    "origin": "`enqueue` (default) or `exec`: which retention holds.",
    "jobs": "The jobs, at most 10,000.",
    # retries
    "attempts": "Most attempts; the same as `maxAttempts`.",
    "RetryIn.until": "For how long after its creation a job is tried again; takes the place of a number of attempts.",
    "delays": "The pauses one by one, the last one repeated; not together with `backoff`.",
    "backoff": "`exponential` (default), `linear`, `fixed`, or a fixed pause such as `10s`. "
    "The named ones begin with 2 s.",
    "cap": "Longest pause; 1 h.",
    "RetryIn.jitter": "Whether pauses vary from half to all of their length; true, but false with `delays`.",
    # schedules
    "cron": "Cron expression, see [when a schedule is due](cron.md). Exactly one of `cron`, `every`, `at`, `rules`.",
    "rules": "One to 20 rules at once, see [several rules](cron.md#several-rules).",
    "onStart": "One run more, at `startAt`, else at the creation.",
    "every": "Interval; counted from `startAt`, else from the creation.",
    "at": "One instant, with its zone.",
    "seconds": "Where a sixth field for seconds stands: `first` or `last`.",
    "dayMatch": "How day of month and day of week go together: `cron` (default) or `and`.",
    "timezone": "IANA zone, `UTC` by default.",
    "startAt": "No instant before this time.",
    "endAt": "No instant after this time.",
    "maxRuns": "After so many runs there is no next one.",
    "jitter": "Start the jobs up to so much later, each instant by its own, always the same part.",
    "overlap": "`skip` (default) or `allow`, while an earlier run has not ended.",
    "catchup": "`none`, `latest` (default) or `all`, for instants that passed while no scheduler ran.",
    "catchupWindow": "Instants older than this are not caught up.",
    "afterRun": "`keep` (default) or `delete` it when its last instant has run.",
    "pauseAfter": "After so many failed runs in a row it is paused.",
    "calendars": "Names of calendars, up to 20: what falls into one of them does not run.",
    "source": "Which application or file declares it.",
    "takeOver": "Make another owner's schedule one's own; without it that is refused (409, `owned`).",
    "paused": "Whether it is paused; left as it is when not given.",
    "note": "What it is for.",
    "PauseIn.note": "Why.",
    "PauseIn.until": "Resume by itself at this time. Not for queues.",
    "owner": "Who declared it: `api` (default), `code` or `file`.",
    "id": "Must be the id of the address, if it is given.",
    "PreviewIn.id": "Id of the schedule: `H` in an expression is made from it.",
    "after": "Strictly after this time; now when not given.",
    "count": "How many instants, 1 to 1000; 10 when not given.",
    # filters and actions
    "type": "Job type.",
    "status": "One or several of `scheduled pending running completed failed cancelled`, divided by commas; `pending` "
    "includes `scheduled`.",
    "schedule": "Id of a schedule.",
    "tag": "One of its tags.",
    "since": "Created at or after this time.",
    "until": "Created before this time.",
    "q": "A text in its id, type, queue, schedule, arguments, target or error.",
    "action": "`retry`, `cancel` or `delete`.",
    "filter": "Which jobs; at least one field.",
    "dryRun": "Only count them.",
    # others
    "concurrency": "Most jobs of the queue at once, over all machines; `null` for no limit.",
    "role": "`viewer`, `operator` or `admin`.",
    "name": "What it is for.",
    "token": "An API token, the shared secret, or a token signed with it.",
    "next": "Path to go on to afterwards.",
    "code": "The code of a login link.",
    "wait": "How long to wait for the end of the job: `30s`, at most `5m`.",
}
"""Of what is sent; every field has a line."""

ANSWERED = {
    "attempt": "Number of starts so far.",
    "AttemptOut.attempt": "Its number, from 1.",
    "LogLine.attempt": "Of which attempt it is.",
    "attempts": "Every start of the job, the last included.",
    "attemptsUsed": "Attempts that count against `maxAttempts`.",
    "origin": "`enqueue`, `schedule`, `trigger`, `exec` or `backfill`.",
    "scheduledFor": "The due instant of the schedule.",
    "progress": "What the running job last reported.",
    "result": "What the job returned.",
    "resultTruncated": "Present when the result was too large: its length; `result` then holds its head.",
    "error": "One line on why the last attempt failed.",
    "Problem.error": "The same as `detail`.",
    "errorDetail": "More of it, see [errors](errors.md#a-failed-attempt).",
    "reason": "Why the job stands where it stands: `failed`, `timeout`, `lost`, `snoozed`, `interrupted`, `cancelled`, "
    "`expired`.",
    "OccurrenceOut.reason": "In words.",
    "eta": "Always null in this version.",
    "why": "What it waits for, or how it ended.",
    "outcome": "`failed`, `timeout`, `lost`, `interrupted`, `snoozed`; of the last start the status of the job.",
    "existing": "True when a job with this unique key was there already.",
    "matched": "How many jobs there were.",
    "changed": "How many of them were changed.",
    "done": "False when the time for one request was over: send it again for the rest.",
    "disposition": "See [occurrences](../explanation/occurrences.md).",
    "OccurrenceOut.count": "How many instants the range covers.",
    "nextAfter": "Ask with `after` this for more; null at the end of a job that has ended.",
    "lastLine": "Number of the last line stored.",
    "n": "Its number, over all attempts.",
    "stream": "`stdout`, `stderr`, `log` (of a function's logger) or `system` (of Rota itself).",
    "nextCursor": "Cursor of the next page; null on the last one.",
    "totalIsEstimate": "Whether `total` is only known roughly, or stopped at 10,000.",
    "accountedTo": "Up to when every due instant is accounted for.",
    "loops": "What each of its loops does.",
    "lanes": "How many jobs of each kind it takes at once.",
    "problems": "Why it is not well; only with a token.",
    "TokenMade.token": "The token; it is shown this once.",
    "kind": "`function`, `http`, `command` …",
    "source": "What vouches for the caller: `local`, `secret`, `token`, `signed`.",
}
"""Of what is answered, where the name alone does not say enough."""


def note(struct: str, field: str, *, sent: bool) -> str:
    """Return what a field of a struct means, as far as there is something to say."""
    notes = SENT if sent else ANSWERED
    return notes.get(f"{struct}.{field}", notes.get(field, ""))
