"""Every setting as data: parsing, checks and the reference page are driven by this table."""

from __future__ import annotations

import msgspec

from rota.settings.database_url import parse_database_url
from rota.settings.notify_url import parse_notify_urls
from rota.settings.values import (
    HIGHEST_PORT,
    Parser,
    duration,
    is_host_pattern,
    is_host_with_port,
    is_module,
    is_name,
    is_network,
    is_origin,
    is_text,
    list_of,
    one_of,
    parse_app,
    parse_disk_size,
    parse_flag,
    parse_host,
    parse_permissions,
    parse_priorities,
    parse_redis_url,
    parse_redis_urls,
    parse_rename,
    parse_root_path,
    parse_scopes,
    parse_secret,
    parse_secret_keys,
    parse_shared_secret,
    parse_size,
    parse_text,
    parse_url,
    retention,
    some_of,
    whole_number,
)

SECOND = 1_000_000
MOST_KEPT = 1_000_000_000


class Setting(msgspec.Struct, frozen=True, kw_only=True):
    """One setting: how it is called, read, and explained."""

    name: str
    type: str
    """What it takes, as the reference says it."""
    parse: Parser
    default: str | None
    """As one would write it; None means not set."""
    meaning: str
    empty: object = None
    """The value when it is not set and has no default."""
    attribute: str = ""
    """Name in `Settings`; empty means the name in lower case less ``ROTA_``."""
    aliases: tuple[str, ...] = ()
    alias_parse: Parser | None = None
    """How it is read when given by an alias, where that takes more."""
    secret: bool = False

    @property
    def field(self) -> str:
        return self.attribute or self.key

    @property
    def key(self) -> str:
        """Name as a keyword of `load_settings`."""
        return self.name.lower().removeprefix("rota_")


def _text(name: str, default: str | None, meaning: str) -> Setting:
    return Setting(name=name, type="text", parse=parse_text, default=default, meaning=meaning)


def _secret(name: str, meaning: str, *aliases: str) -> Setting:
    return Setting(
        name=name, type="secret", parse=parse_secret, default=None, meaning=meaning, aliases=aliases, secret=True
    )


def _url(name: str, meaning: str) -> Setting:
    return Setting(name=name, type="http(s) address", parse=parse_url, default=None, meaning=meaning)


def _redis(name: str, meaning: str) -> Setting:
    return Setting(name=name, type="redis address", parse=parse_redis_url, default=None, meaning=meaning, secret=True)


def _flag(name: str, meaning: str) -> Setting:
    return Setting(name=name, type="true or false", parse=parse_flag, default="false", meaning=meaning)


def _choice(name: str, choices: tuple[str, ...], default: str | None, meaning: str) -> Setting:
    return Setting(name=name, type=" | ".join(choices), parse=one_of(*choices), default=default, meaning=meaning)


def _list(name: str, items: str, parse: Parser, meaning: str) -> Setting:
    return Setting(name=name, type=f"list of {items}", parse=parse, default=None, meaning=meaning, empty=())


def _number(name: str, least: int, most: int, default: str | None, meaning: str, *aliases: str) -> Setting:
    kind = f"{least} to {most}"
    return Setting(
        name=name, type=kind, parse=whole_number(least, most), default=default, meaning=meaning, aliases=aliases
    )


def _duration(name: str, default: str, meaning: str, least_us: int) -> Setting:
    attribute = name.lower().removeprefix("rota_") + "_us"
    return Setting(
        name=name, attribute=attribute, type="duration", parse=duration(least_us), default=default, meaning=meaning
    )


def _retention(name: str, default: str, meaning: str) -> Setting:
    attribute = name.lower().removeprefix("rota_") + "_us"
    return Setting(
        name=name, attribute=attribute, type="duration or never", parse=retention, default=default, meaning=meaning
    )


def _size(name: str, default: str, meaning: str) -> Setting:
    return Setting(name=name, type="size", parse=parse_size, default=default, meaning=meaning)


GROUPS: dict[str, tuple[Setting, ...]] = {
    "Database and server": (
        Setting(
            name="ROTA_DATABASE_URL",
            type="database URL",
            parse=parse_database_url,
            default="sqlite:///rota.db",
            meaning="Where everything is stored: `sqlite:///relative.db`, `sqlite:////absolute.db`, "
            "`postgresql://user:password@host:5432/name` or `postgres://…`, also with several hosts. "
            "The query fields `schema` and `pgbouncer=true` (behind a transaction pooler) are understood as Prisma "
            "writes them, and so are libpq's own.",
            aliases=("DATABASE_URL", "POSTGRES_PRISMA_URL"),
            secret=True,
        ),
        Setting(
            name="ROTA_HOST",
            type="host",
            parse=parse_host,
            default="127.0.0.1",
            meaning="Address to listen on. Beyond loopback, authentication must be configured.",
            aliases=("HOST",),
        ),
        _number("ROTA_PORT", 0, HIGHEST_PORT, "7005", "Port to listen on; 0 takes a free one and says which.", "PORT"),
        _number(
            "ROTA_PROBE_PORT",
            0,
            HIGHEST_PORT,
            None,
            "Port of `ROTA_HOST` where a scheduler or worker answers `/live`, `/ready` and `/metrics`; without it they "
            "listen on nothing. Each process needs its own; below `rota up` it is not used.",
        ),
        Setting(
            name="ROTA_ROOT_PATH",
            type="path",
            parse=parse_root_path,
            default=None,
            meaning="Path under which a proxy shows the service, such as `/scheduler`.",
            empty="",
        ),
        Setting(
            name="ROTA_APP",
            type="MODULE:ATTRIBUTE",
            parse=parse_app,
            default=None,
            meaning="The `Rota` object of your application, whose functions the worker runs.",
        ),
        _text("ROTA_SERVICE_NAME", "rota", "Name of the service in logs, metrics and `/health`."),
    ),
    "Work": (
        _list(
            "ROTA_EXECUTORS",
            "names",
            some_of(is_name, "names such as function, http, command"),
            "Kinds of target that this worker takes; all when not set.",
        ),
        _list(
            "ROTA_QUEUES",
            "queues",
            some_of(is_name, "names of queues"),
            "Queues that this worker takes, in order of preference; all, also new ones, when not set.",
        ),
        _list(
            "ROTA_LABELS",
            "labels",
            list_of(is_name, "labels"),
            "Labels of this worker, which jobs may ask for by `runOn`.",
        ),
        _number(
            "ROTA_CONCURRENCY",
            1,
            10_000,
            "20",
            "How many commands, and how many sync functions, run at once in a worker.",
        ),
        _duration(
            "ROTA_LEASE",
            "20s",
            "How long a worker that is not heard of keeps its jobs; it renews after each quarter.",
            SECOND,
        ),
        _duration("ROTA_GRACE", "20s", "How long running jobs may go on after a stop, a cancel or a time-out.", 0),
        _duration(
            "ROTA_STALL",
            "15s",
            "How long a worker's own work may stand still before its lease ends and its jobs go to others; and how "
            "long the watermark may (at least 10 s) before `/health` turns red.",
            SECOND // 10,
        ),
        _list(
            "ROTA_FUNCTION_MODULES",
            "modules",
            list_of(is_module, "names of Python modules"),
            "Packages whose functions a target may name as `module:name` beside the declared ones.",
        ),
        Setting(
            name="ROTA_PRIORITIES",
            type="name=number, …",
            parse=parse_priorities,
            default="low=-10,normal=0,high=10,live=20",
            meaning="Names for priorities, in any case; the higher number runs first.",
        ),
    ),
    "Access": (
        Setting(
            name="ROTA_AUTH_SECRET",
            type="secret of at least 32 characters",
            parse=parse_shared_secret,
            default=None,
            meaning="Shared secret: a bearer token by itself, and the key of HS256 tokens. Make one with "
            "`openssl rand -hex 32`. By its alias a shorter one is taken too, but not when listening beyond loopback.",
            aliases=("SCHEDULER_SHARED_AUTH_SECRET",),
            alias_parse=parse_secret,
            secret=True,
        ),
        _choice(
            "ROTA_AUTH_SECRET_ROLE",
            ("viewer", "operator", "admin"),
            "operator",
            "Role of HS256 tokens that name none.",
        ),
        _choice(
            "ROTA_AUTH_SECRET_MAX_ROLE",
            ("viewer", "operator", "admin"),
            "admin",
            "Highest role that the shared secret and its tokens can have.",
        ),
        _url(
            "ROTA_AUTH_JWKS_URL",
            "Keys of the issuer whose RS256 and ES256 tokens are accepted (Clerk, any OIDC). Where it is not set and "
            "`ROTA_AUTH_ISSUER` is an address, the issuer is asked where they are.",
        ),
        _text("ROTA_AUTH_ISSUER", None, "The `iss` that signed tokens must have, those of the shared secret too."),
        _list("ROTA_AUTH_AUDIENCE", "texts", list_of(is_text, "texts"), "Signed tokens must have an `aud` of these."),
        _text(
            "ROTA_AUTH_ROLE_CLAIM",
            None,
            "Claim that holds the role, such as `app.role`; else the first of `public_metadata.role`, `metadata.role`, "
            "`role`.",
        ),
        _text(
            "ROTA_OIDC_CLIENT_ID",
            None,
            "This service as the issuer `ROTA_AUTH_ISSUER` knows it: browsers may then log in there.",
        ),
        _secret("ROTA_OIDC_CLIENT_SECRET", "Secret of that client; a public client has none."),
        Setting(
            name="ROTA_OIDC_SCOPES",
            type="scopes, divided by spaces",
            parse=parse_scopes,
            default="openid profile email",
            meaning="What the issuer is asked for at such a login.",
        ),
        _secret("CLERK_SECRET_KEY", "Key to ask Clerk for the role of a user whose token has no role claim."),
        Setting(
            name="ROTA_CLERK_API_URL",
            type="http(s) address",
            parse=parse_url,
            default="https://api.clerk.com",
            meaning="Where Clerk is asked.",
        ),
        _url("ROTA_USER_SERVICE_URL", "Service that resolves a token's subject: `GET /api/users/{subject}` → `id`."),
        Setting(
            name="ROTA_SECRET_KEY",
            attribute="secret_keys",
            type="keys, divided by commas",
            parse=parse_secret_keys,
            default=None,
            meaning="Key that encrypts named secrets in the database. Make one with `rota secrets key`. Of several the "
            "first encrypts, and all decrypt.",
            secret=True,
            empty=(),
        ),
        _list(
            "ROTA_ALLOWED_HOSTS",
            "hosts",
            list_of(is_host_with_port, "hosts such as jobs.example.org or *.example.org"),
            "Names under which browsers may reach the service; on loopback its own names are always allowed.",
        ),
        _list(
            "ROTA_TRUSTED_PROXIES",
            "networks",
            list_of(is_network, "addresses or networks such as 10.0.0.0/8"),
            "Proxies whose `X-Forwarded-…` headers are believed.",
        ),
        _list(
            "ROTA_CORS_ORIGINS",
            "origins",
            list_of(is_origin, "origins such as https://app.example.org"),
            "Pages of other origins that may call the API.",
        ),
        _flag("ROTA_METRICS_PUBLIC", "Whether `/metrics` needs no token."),
        _choice(
            "ROTA_VIEWER_PAYLOADS",
            ("show", "hide"),
            "show",
            "Whether viewers see what jobs take, give and say: arguments, results, errors, targets, logs.",
        ),
        Setting(
            name="ROTA_PERMISSIONS",
            type="operation=role, …",
            parse=parse_permissions,
            default=None,
            meaning="Other least roles of operations, by their ids, such as `cancelJob=admin,retryJob=viewer`. What "
            "decides on execution and access takes an admin always.",
            empty={},
        ),
    ),
    "Calls to other services": (
        Setting(
            name="ROTA_SERVICE_<NAME>_URL",
            attribute="services",
            type="http(s) address",
            parse=parse_url,
            default=None,
            meaning="Address of the service NAME, for targets with `service` and `path`.",
            aliases=("<NAME>_SERVICE_URL",),
        ),
        _list(
            "ROTA_HTTP_ALLOW",
            "hosts",
            list_of(is_host_pattern, "hosts, *.domains, addresses or networks"),
            "The only hosts and networks that HTTP targets may call; all but the forbidden ones when not set.",
        ),
        _list(
            "ROTA_HTTP_DENY",
            "hosts",
            list_of(is_host_pattern, "hosts, *.domains, addresses or networks"),
            "Hosts and networks that HTTP targets may not call.",
        ),
        _url("ROTA_HTTP_PROXY", "Proxy for HTTP targets; `HTTP_PROXY` is ignored."),
        _list(
            "ROTA_CALLBACK_HOSTS",
            "hosts",
            list_of(is_host_with_port, "hosts such as app.example.org or *.example.org"),
            "Hosts that a job's `callbackUrl` may name beside the host of its type.",
        ),
        _redis("ROTA_RQ_URL", "Redis of the RQ workers to which `rq` targets hand their work."),
        _redis("ROTA_CELERY_BROKER_URL", "Redis from which the Celery workers of `celery` targets take their work."),
        _redis("ROTA_CELERY_BACKEND_URL", "Redis where those workers put results: their `result_backend`."),
        Setting(
            name="ROTA_REDIS_URLS",
            type="name=redis address, …",
            parse=parse_redis_urls,
            default=None,
            meaning="Further Redis servers, for targets with a `connection`.",
            secret=True,
            empty={},
        ),
        Setting(
            name="ROTA_NOTIFY_URLS",
            type="Apprise addresses",
            parse=parse_notify_urls,
            default=None,
            meaning="Where alerts go, divided by spaces or commas: `https://hooks.slack.com/services/…`, `slack://…`, "
            "`mailtos://…`, `json://…` and the other addresses of Apprise (`pip install 'rota[notify]'`). "
            "`?rota_name=` gives a channel its name, `?rota_min=error` spares it warnings.",
            secret=True,
            empty=(),
        ),
        _url("ROTA_PUBLIC_URL", "Where people find the pages of this service: notices link there. No link without it."),
        Setting(
            name="ROTA_CANARY_URL",
            type="http(s) address",
            parse=parse_url,
            default=None,
            meaning="Address of a check at an outside monitor such as Healthchecks: it is called each time a job of "
            "Rota's own schedule was decided, taken by a worker and completed. Give it to schedulers.",
            secret=True,
        ),
        _duration("ROTA_CANARY_EVERY", "1m", "How often that is.", 10 * SECOND),
    ),
    "Log": (
        _choice("ROTA_LOG_FORMAT", ("json", "text"), None, "Form of log lines; `text` on a terminal, else `json`."),
        _choice("ROTA_LOG_LEVEL", ("debug", "info", "warning", "error"), "info", "Least level that is written."),
        _text("ROTA_LOG_FILE", None, "File that log lines are added to; standard error when not set."),
        Setting(
            name="ROTA_LOG_FILE_SIZE",
            type="size",
            parse=parse_disk_size,
            default="100MiB",
            meaning="A larger log file is set aside, as `….1`, and a new one is begun.",
        ),
        _number("ROTA_LOG_FILE_KEPT", 0, 1000, "5", "So many log files that were set aside are kept."),
        Setting(
            name="ROTA_LOG_RENAME",
            type="field=newName, …",
            parse=parse_rename,
            default=None,
            meaning="Other names for fields of log lines, such as `queue=queueName,jobId=messageId`.",
            empty={},
        ),
        _flag("ROTA_LOG_OUTPUT", "Whether the output of jobs is also written to the log, as `job/output` lines."),
    ),
    "Retention": (
        _retention(
            "ROTA_RETENTION_COMPLETED", "24h", "How long completed and cancelled jobs that were enqueued are kept."
        ),
        _retention("ROTA_RETENTION_RUNS", "90d", "How long runs of schedules, triggers and `rota exec` are kept."),
        _retention("ROTA_RETENTION_FAILED", "90d", "How long failed jobs are kept."),
        _retention("ROTA_RETENTION_OCCURRENCES", "400d", "How long the record of due instants is kept."),
        _retention("ROTA_RETENTION_LOGS", "14d", "How long the logs of runs are kept."),
        _retention(
            "ROTA_RETENTION_AUDIT", "400d", "How long the audit, and operations and alerts that have ended, are kept."
        ),
        _retention("ROTA_RETENTION_ROLLUPS", "400d", "How long statistics are kept."),
        _retention("ROTA_RETENTION_PINGS", "90d", "How long the pings of checks are kept."),
        _number("ROTA_KEEP_PINGS", 1, 100_000, "1000", "So many of the last pings of each check are kept."),
        _number(
            "ROTA_KEEP_LAST", 0, 100_000, "100", "Runs of each schedule, and its last good result, kept at any age."
        ),
        _number(
            "ROTA_KEEP_MOST_COMPLETED", 0, MOST_KEPT, None, "Most completed, and most cancelled, enqueued jobs kept."
        ),
        _number("ROTA_KEEP_MOST_RUNS", 0, MOST_KEPT, None, "Most completed, and most cancelled, runs kept."),
        _number(
            "ROTA_KEEP_MOST_FAILED", 0, MOST_KEPT, None, "Most failed jobs kept, of those enqueued and of runs each."
        ),
        Setting(
            name="ROTA_KEEP_MOST_BYTES",
            type="size",
            parse=parse_disk_size,
            default=None,
            meaning="About how many bytes ended jobs may take with their logs; beyond it the oldest of each kind go.",
        ),
        _text(
            "ROTA_ARCHIVE_DIR",
            None,
            "Folder where ended jobs are written, one `jobs-DAY.jsonl.gz` a day, before retention deletes them.",
        ),
        _choice(
            "ROTA_ARCHIVE_FORMAT",
            ("jsonl", "parquet"),
            "jsonl",
            "What a file becomes when nothing was added for an hour; `parquet` needs `pip install 'rota[parquet]'`.",
        ),
        _flag("ROTA_ARCHIVE_LOGS", "Whether logs are written there too, to `logs-DAY.jsonl.gz`."),
    ),
    "Limits": (
        _size("ROTA_LIMIT_BODY", "2MiB", "Largest body of a request to the API."),
        _size("ROTA_LIMIT_ARGS", "1MiB", "Largest arguments of a job."),
        _size("ROTA_LIMIT_RESULT", "1MiB", "Largest result of a job; of a larger one its head is kept."),
        _number("ROTA_LIMIT_DEPTH", 1, 500, "64", "Deepest nesting of arguments and bodies."),
        _size("ROTA_LIMIT_LOG", "8MiB", "Largest log of one attempt; of a larger one head and tail are kept."),
        _size(
            "ROTA_LIMIT_JOB_LOG",
            "64MiB",
            "Largest log of a job over all its attempts; of a larger one the first attempt and the last ones are kept.",
        ),
        _size("ROTA_LIMIT_LINE", "64KiB", "Longest line of a log."),
        _size("ROTA_LIMIT_ANSWER", "64KiB", "How much of an HTTP answer is kept."),
    ),
}

SETTINGS: tuple[Setting, ...] = tuple(setting for group in GROUPS.values() for setting in group)

OTHER_VARIABLES: dict[str, str] = {
    "ROTA_CONFIG": "The file of settings to read instead of `rota.toml` in the current folder.",
    "ROTA_URL": "Service that the command line talks to instead of the database.",
    "ROTA_TOKEN": "Token for `ROTA_URL`.",
    "ROTA_WEB": "`skip` leaves the pages out when the package is built, `force` builds them again.",
    "ROTA_JOB_ID": "Given to commands: the id of their job.",
    "ROTA_ATTEMPT": "Given to commands: the number of the attempt.",
    "ROTA_SCHEDULED_FOR": "Given to commands: the instant that the schedule was due.",
    "ROTA_ARGS": "Given to commands: the arguments as JSON.",
    "ROTA_CHECKPOINT": "Given to commands: the last checkpoint of the attempts before, as JSON; empty without one.",
}
"""Variables of the environment that are no settings, and so no mistakes either."""
