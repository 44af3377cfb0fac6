"""What the calls return.  Written by ``python -m tools.client_answers`` from what the API says of itself.

Times are RFC 3339 in UTC with milliseconds, ids are UUIDs, durations are texts as ``"5m"``.
"""

from __future__ import annotations

from typing import Any, Literal, NotRequired, TypedDict


class Enqueued(TypedDict):
    """A job that was accepted."""

    id: str
    existing: bool
    replaced: bool


class Triggered(TypedDict):
    """A job that a person started."""

    id: str
    jobId: str
    jobType: str | None
    status: Literal["scheduled", "pending", "running", "completed", "failed", "cancelled"]
    startedAt: str | None
    createdAt: str


class Progress(TypedDict):
    """How far a running job has come, by its own words."""

    value: float | None
    message: str | None


class Eta(TypedDict):
    """When a running job will have ended, by what it reported or by how long the last runs of its type took."""

    at: str | None
    basis: Literal["progress", "history"]
    p50: str | None
    p90: str | None
    runs: int


class Truncated(TypedDict):
    """A result that was too large; its head is kept."""

    bytes: int


class ErrorDetail(TypedDict):
    """What is known of a failure beside its one line."""

    code: str
    type: NotRequired[str | None]
    message: NotRequired[str | None]
    trace: NotRequired[str | None]


class Job(TypedDict):
    """A job."""

    id: str
    jobType: str | None
    kind: str
    status: Literal["scheduled", "pending", "running", "completed", "failed", "cancelled"]
    queue: str
    priority: int
    args: Any
    target: dict[str, Any] | None
    attempt: int
    attemptsUsed: int
    maxAttempts: int
    createdAt: str
    runAt: str
    startedAt: str | None
    completedAt: str | None
    updatedAt: str
    durationMs: int | None
    startedBy: str | None
    origin: str
    scheduleId: str | None
    scheduledFor: str | None
    timeout: str | None
    silence: str | None
    deadlineAt: str | None
    silentAt: str | None
    awaitsAnswer: bool
    uniqueKey: str | None
    uniqueScope: str | None
    dependsOn: list[str]
    ifParentFailed: Literal["cancel", "run", "wait"] | None
    batchId: str | None
    concurrencyKey: str | None
    orderKey: str | None
    runOn: list[str]
    callbackUrl: str | None
    tags: list[str]
    onLost: str
    expiresAt: str | None
    workerId: str | None
    progress: Progress | None
    eta: Eta | None
    result: Any
    resultTruncated: Truncated | None
    error: str | None
    errorDetail: ErrorDetail | None
    reason: str | None
    cancelRequestedAt: str | None
    cancelRequestedBy: str | None


class Attempt(TypedDict):
    """One start of a job."""

    attempt: int
    outcome: str
    startedAt: str | None
    endedAt: str | None
    durationMs: int | None
    workerId: str | None
    error: str | None
    errorDetail: ErrorDetail | None


class Request(TypedDict):
    """A request to a target, without its secrets."""

    method: str
    url: str
    headers: dict[str, str]
    body: str | None
    bodyBytes: int
    truncated: bool


class Answer(TypedDict):
    """The answer of a target, without secrets."""

    status: int
    reason: str
    headers: dict[str, str]
    body: str
    bodyBytes: int
    truncated: bool
    durationMs: int


class Exchange(TypedDict):
    """What was sent to an HTTP target last, and what came back."""

    request: Request
    answer: Answer | None


class Cause(TypedDict):
    """One reason why a job waits."""

    code: str
    text: str
    until: str | None


class Why(TypedDict):
    """What a job waits for, or how it ended."""

    text: str
    until: str | None
    causes: list[Cause]


class JobDetail(TypedDict):
    """A job with all that is known of it."""

    id: str
    jobType: str | None
    kind: str
    status: Literal["scheduled", "pending", "running", "completed", "failed", "cancelled"]
    queue: str
    priority: int
    args: Any
    target: dict[str, Any] | None
    attempt: int
    attemptsUsed: int
    maxAttempts: int
    createdAt: str
    runAt: str
    startedAt: str | None
    completedAt: str | None
    updatedAt: str
    durationMs: int | None
    startedBy: str | None
    origin: str
    scheduleId: str | None
    scheduledFor: str | None
    timeout: str | None
    silence: str | None
    deadlineAt: str | None
    silentAt: str | None
    awaitsAnswer: bool
    uniqueKey: str | None
    uniqueScope: str | None
    dependsOn: list[str]
    ifParentFailed: Literal["cancel", "run", "wait"] | None
    batchId: str | None
    concurrencyKey: str | None
    orderKey: str | None
    runOn: list[str]
    callbackUrl: str | None
    tags: list[str]
    onLost: str
    expiresAt: str | None
    workerId: str | None
    progress: Progress | None
    eta: Eta | None
    result: Any
    resultTruncated: Truncated | None
    error: str | None
    errorDetail: ErrorDetail | None
    reason: str | None
    cancelRequestedAt: str | None
    cancelRequestedBy: str | None
    attempts: list[Attempt]
    checkpoint: Any
    exchange: Exchange | None
    why: Why


class LogLine(TypedDict):
    """A line of a job's log."""

    n: int
    at: str
    stream: str
    attempt: int
    text: str


class LogPage(TypedDict):
    """Lines of a job's log."""

    lines: list[LogLine]
    status: Literal["scheduled", "pending", "running", "completed", "failed", "cancelled"]
    lastLine: int
    nextAfter: int | None


class JobType(TypedDict):
    """A job type."""

    name: str
    kind: str
    target: dict[str, Any] | None
    argsSchema: Any
    defaults: dict[str, Any]
    owner: str
    version: int
    paused: bool
    pausedAt: str | None
    pausedBy: str | None
    pausedNote: str | None
    resumeAt: str | None
    createdAt: str
    updatedAt: str


class BatchCounts(TypedDict):
    """How many jobs of a batch are in which status; ``deleted`` are those that retention or a person has deleted."""

    scheduled: int
    pending: int
    running: int
    completed: int
    failed: int
    cancelled: int
    deleted: int


class Batch(TypedDict):
    """Jobs that were enqueued together."""

    id: str
    name: str | None
    total: int
    done: bool
    counts: BatchCounts
    callbackId: str | None
    createdBy: str | None
    createdAt: str


class BatchMade(TypedDict):
    """A batch that was accepted, with the ids of its jobs in the order in which they were sent."""

    id: str
    total: int
    callbackId: str | None
    jobs: list[str]


class BatchCancelled(TypedDict):
    """How many jobs of a batch were cancelled."""

    id: str
    changed: int


class Schedule(TypedDict):
    """A schedule."""

    id: str
    jobType: str | None
    target: dict[str, Any] | None
    args: Any
    cron: str | None
    every: str | float | None
    at: str | None
    seconds: Literal["first", "last"] | None
    dayMatch: Literal["cron", "and"] | None
    rules: list[dict[str, Any]] | None
    onStart: bool
    description: str | None
    timezone: str
    startAt: str | None
    endAt: str | None
    maxRuns: int | None
    afterRun: Literal["keep", "delete"]
    jitter: str | None
    overlap: Literal["skip", "queueOne", "queueAll", "cancel", "kill", "allow"]
    catchup: Literal["none", "latest", "all"]
    catchupWindow: str | None
    pauseAfter: int | None
    calendars: list[str]
    queue: str | None
    priority: int | str | None
    maxAttempts: int | None
    retry: dict[str, Any] | None
    timeout: str | float | None
    silence: str | float | None
    expiresIn: str | float | None
    concurrencyKey: str | None
    orderKey: str | None
    runOn: list[str]
    tags: list[str]
    onLost: Literal["retry", "fail"] | None
    runs: int
    nextAt: str | None
    lastAt: str | None
    lastJobId: str | None
    paused: bool
    pausedAt: str | None
    pausedBy: str | None
    pausedNote: str | None
    resumeAt: str | None
    shadow: bool
    note: str | None
    owner: Literal["code", "file", "api"]
    source: str | None
    version: int
    createdAt: str
    updatedAt: str


class ScheduleSaved(TypedDict):
    """What became of one of many schedules."""

    id: str
    action: Literal["created", "edited", "paused", "resumed", "takenOver", "rolledBack", "deleted"] | None
    version: int
    nextAt: str | None


class ScheduleTriggered(TypedDict):
    """A job that a person started, and what it waits for."""

    id: str
    jobId: str
    jobType: str | None
    status: Literal["scheduled", "pending", "running", "completed", "failed", "cancelled"]
    startedAt: str | None
    createdAt: str
    why: Why


FieldChange = TypedDict(
    "FieldChange",
    {
        "field": str,
        "from": Any,
        "to": Any,
    },
)
"""A field that would get another value."""


class Edit(TypedDict):
    """What an edit would change."""

    id: str
    exists: bool
    changes: list[FieldChange]
    goes: list[str]
    goesCount: int
    comes: list[str]
    comesCount: int
    until: str
    warnings: list[str]
    schedule: Schedule


class Version(TypedDict):
    """What a schedule was from a time on."""

    version: int
    action: Literal["created", "edited", "paused", "resumed", "takenOver", "rolledBack", "deleted"]
    author: str | None
    note: str | None
    at: str
    schedule: NotRequired[dict[str, Any] | None]


class Backfill(TypedDict):
    """Instants that a backfill found, and the jobs that it made for them."""

    count: int
    dryRun: bool
    instants: list[str]
    jobs: list[str]


Occurrence = TypedDict(
    "Occurrence",
    {
        "disposition": Literal["fired", "skipped", "paused", "blackout", "coalesced", "missed", "caughtUp"],
        "jobId": str | None,
        "reason": str | None,
        "version": int,
        "decidedAt": str,
        "scheduledFor": NotRequired[str | None],
        "from": NotRequired[str | None],
        "to": NotRequired[str | None],
        "count": NotRequired[int | None],
        "jobStatus": NotRequired[Literal["scheduled", "pending", "running", "completed", "failed", "cancelled"] | None],
        "startedAt": NotRequired[str | None],
        "durationMs": NotRequired[int | None],
    },
)
"""A due instant and what became of it, or a range of instants with the same fate."""


class Preview(TypedDict):
    """What a rule means."""

    description: str
    instants: list[str]
    warnings: list[str]


class Calendar(TypedDict):
    """A calendar: times at which schedules that name it do not fire."""

    name: str
    description: str | None
    problem: str | None
    note: str | None
    version: int
    author: str | None
    createdAt: str
    updatedAt: str
    dates: list[str]
    ranges: list[dict[str, Any]]
    yearly: list[str]
    weekdays: list[str]
    country: str | None
    subdivision: str | None
    ics: str | None
    events: int


class Channel(TypedDict):
    """Where notices go; its address is in the settings alone."""

    name: str
    kind: str
    least: Literal["error", "warning"]
    state: Literal["working", "failing", "unproven"]
    waiting: int
    sentAt: str | None
    failingSince: str | None
    failures: int
    error: str | None
    seenAt: str


class Delivery(TypedDict):
    """A notice on its way to one channel."""

    channel: str
    state: Literal["pending", "sent", "failed", "dropped"]
    inSummary: bool
    attempts: int
    error: str | None
    sentAt: str | None


class ChannelTest(TypedDict):
    """How a test went."""

    id: str
    ok: bool
    deliveries: list[Delivery]


class Notice(TypedDict):
    """What channels are told."""

    id: str
    kind: Literal["opened", "again", "over", "test", "canary-lost"]
    severity: Literal["error", "warning"]
    title: str
    text: str
    path: str
    link: str | None
    alertIds: list[str]
    createdAt: str
    deliveries: list[Delivery]


class Check(TypedDict):
    """A job that Rota does not run, for administrators with the address that it pings."""

    id: str
    name: str
    every: str | None
    cron: str | None
    timezone: str
    grace: str
    longest: str | None
    tags: list[str]
    note: str | None
    description: str
    status: Literal["new", "up", "started", "late", "down", "failed", "paused"]
    problem: str | None
    problemSince: str | None
    paused: bool
    pausedAt: str | None
    pausedBy: str | None
    pauseNote: str | None
    nextAt: str | None
    lateAt: str | None
    startedAt: str | None
    lastPingAt: str | None
    lastEndAt: str | None
    lastExitCode: int | None
    lastDurationMs: int | None
    failures: int
    pings: int
    version: int
    createdAt: str
    updatedAt: str
    key: str | None
    pingPath: str | None
    pingUrl: str | None


class CheckItem(TypedDict):
    """A job that Rota does not run, as it is listed."""

    id: str
    name: str
    every: str | None
    cron: str | None
    timezone: str
    grace: str
    longest: str | None
    tags: list[str]
    note: str | None
    description: str
    status: Literal["new", "up", "started", "late", "down", "failed", "paused"]
    problem: str | None
    problemSince: str | None
    paused: bool
    pausedAt: str | None
    pausedBy: str | None
    pauseNote: str | None
    nextAt: str | None
    lateAt: str | None
    startedAt: str | None
    lastPingAt: str | None
    lastEndAt: str | None
    lastExitCode: int | None
    lastDurationMs: int | None
    failures: int
    pings: int
    version: int
    createdAt: str
    updatedAt: str


class Ping(TypedDict):
    """Something that a check told of itself."""

    n: int
    at: str
    kind: Literal["start", "success", "fail", "log"]
    exitCode: int | None
    rid: str | None
    durationMs: int | None
    source: str | None
    body: str | None


class StatusPage(TypedDict):
    """What is shown to anybody of a tag."""

    tag: str
    page: bool
    badge: bool
    slug: str
    title: str
    names: dict[str, str]
    pagePath: str | None
    badgePath: str | None
    createdAt: str
    createdBy: str | None
    updatedAt: str
    updatedBy: str | None


class RateLimit(TypedDict):
    """Most starts within any time of this length."""

    limit: int
    per: str
    scope: Literal["queue", "key"]


class Counts(TypedDict):
    """Jobs by status, each at most 10,000."""

    pending: int
    scheduled: int
    running: int
    failed: int


class QueueStat(TypedDict):
    """Jobs of one status and priority."""

    status: str
    priority: int
    count: int
    oldestAt: str | None


class Queue(TypedDict):
    """A queue."""

    name: str
    concurrency: int | None
    workerConcurrency: int | None
    keyConcurrency: int | None
    rateLimits: list[RateLimit]
    ageing: str | None
    defaults: dict[str, Any] | None
    retention: dict[str, str | int] | None
    paused: bool
    pausedAt: str | None
    pausedBy: str | None
    pausedNote: str | None
    resumeAt: str | None
    slowedUntil: str | None
    slowedBy: str | None
    counts: Counts
    oldestPendingAt: str | None
    stats: list[QueueStat]
    createdAt: str


class Changed(TypedDict):
    """How many jobs were changed."""

    matched: int
    changed: int
    done: bool
    operation: str


class Key(TypedDict):
    """A key of a queue, with what waits and runs of it."""

    key: str
    kind: Literal["concurrency", "order"]
    waiting: int
    running: int
    oldestAt: str | None
    paused: bool
    pausedAt: str | None
    pausedBy: str | None
    pausedNote: str | None
    resumeAt: str | None
    activeJobId: str | None
    blocked: bool


class Slots(TypedDict):
    """Places for jobs of one kind."""

    taken: int
    of: int


class Loop(TypedDict):
    """A loop of a process."""

    name: str
    state: str
    sleepsUntil: str | None
    turnedMsAgo: int
    error: str | None


class Sleeping(TypedDict):
    """Why a worker takes no jobs of a queue."""

    reason: Literal["empty", "full", "worker-full", "keys-full", "rate-limited", "slowed", "paused", "contended"]
    until: str | None


class Consumer(TypedDict):
    """A worker and a queue that it serves."""

    queue: str
    numRunningLoops: int
    sleeping: Sleeping | None


class Worker(TypedDict):
    """A process: a worker, a scheduler or an api."""

    id: str
    role: str
    host: str
    pid: int
    version: str
    state: str
    queues: list[str] | None
    lanes: Any
    jobTypes: list[str] | None
    labels: list[str]
    running: int
    slots: dict[str, Slots] | None
    loops: list[Loop]
    loopLagMs: int | None
    consumers: list[Consumer]
    startedAt: str
    lastHeartbeat: str
    lastClaim: str | None
    leaseUntil: str


class Token(TypedDict):
    """An API token, without what it is."""

    id: str
    name: str
    role: Literal["viewer", "operator", "admin"]
    createdBy: str | None
    createdAt: str
    expiresAt: str | None
    lastUsedAt: str | None
    revokedAt: str | None


class TokenMade(TypedDict):
    """A new API token; ``token`` is shown this once."""

    id: str
    name: str
    role: Literal["viewer", "operator", "admin"]
    token: str | None
    createdAt: str
    expiresAt: str | None


class Stats(TypedDict):
    """The state of the system in numbers."""

    jobs: Counts
    queues: int
    jobTypes: int
    schedules: int
    workers: int
    schedulers: int
    oldestPendingAt: str | None
    failedLastDay: int
    accountedTo: str | None


class Health(TypedDict):
    """The truth about the system.  Who shows no token gets status and times only."""

    status: Literal["healthy", "unhealthy"]
    service: str
    timestamp: str
    accountedTo: str | None
    lagMs: int | None
    schedulerSeenAt: str | None
    workerSeenAt: str | None
    problems: NotRequired[list[str] | None]
    warnings: NotRequired[list[str] | None]


class Me(TypedDict):
    """Who asks."""

    subject: str
    role: Literal["viewer", "operator", "admin"]
    source: str
    permissions: list[str]


class Watched(TypedDict):
    """What a monitor watches; `*` stands for all."""

    kind: Literal["system", "queue", "schedule", "type", "check", "*"]
    id: str


QuietHours = TypedDict(
    "QuietHours",
    {
        "timezone": str,
        "from": str,
        "to": str,
        "days": list[str],
    },
)
"""When nobody is told."""


class Mute(TypedDict):
    """Somebody does not want to hear of it."""

    at: str
    until: str | None
    by: str | None
    note: str | None
    monitor: str


class Said(TypedDict):
    """What somebody said of a monitor; null is as it is by default."""

    enabled: bool | None
    limit: str | None
    count: int | None
    grace: str | None
    realert: str | None
    quietHours: QuietHours | None
    dependsOn: list[str] | None
    note: str | None


class Monitor(TypedDict):
    """A monitor: what it looks for, when it tells, and what it has found."""

    id: str
    kind: str
    subject: Watched
    meaning: str
    state: Literal["ok", "open", "held", "off"]
    enabled: bool
    limit: str | None
    count: int | None
    grace: str
    realert: str
    quietHours: QuietHours | None
    dependsOn: list[str]
    note: str | None
    mute: Mute | None
    said: Said | None
    alertId: str | None
    since: str | None
    text: str | None
    heldBy: str | None
    version: int
    updatedAt: str | None


class Proposal(TypedDict):
    """A limit that history suggests."""

    monitorId: str
    limit: str
    text: str
    runs: int


class Subject(TypedDict):
    """What a problem is about."""

    kind: Literal["schedule", "queue", "worker", "job", "system", "type", "check"]
    id: str


class Alert(TypedDict):
    """One incident: from when a monitor found something until it was over."""

    id: str
    monitorId: str
    kind: str
    severity: Literal["error", "warning"]
    subject: Subject
    text: str
    jobId: str | None
    open: bool
    since: str
    openedAt: str
    seenAt: str
    goneAt: str | None
    toldAt: str | None
    tellings: int
    heldBy: str | None
    closedAt: str | None
    closing: str | None
