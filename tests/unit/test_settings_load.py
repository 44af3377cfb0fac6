"""Settings: environment over file over defaults, and every mistake named."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import msgspec
import pytest

from rota.errors import Invalid, SettingInvalid
from rota.settings import OTHER_VARIABLES, SETTINGS, Settings, load_settings

SECOND = 1_000_000
HOUR = 3600 * SECOND
DAY = 24 * HOUR


@pytest.fixture(autouse=True)
def empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def refused(environ: dict[str, str]) -> SettingInvalid:
    started = time.process_time()
    with pytest.raises(SettingInvalid) as caught:
        load_settings(environ)
    assert time.process_time() - started < 1
    return caught.value


def test_the_defaults_of_the_contract() -> None:
    settings = load_settings({})
    assert settings.database_url.display == "sqlite:///rota.db"
    assert (settings.host, settings.port, settings.root_path, settings.service_name) == ("127.0.0.1", 7005, "", "rota")
    assert (settings.lease_us, settings.grace_us, settings.stall_us) == (20 * SECOND, 20 * SECOND, 15 * SECOND)
    assert (settings.concurrency, settings.keep_last) == (20, 100)
    assert (settings.retention_completed_us, settings.retention_runs_us) == (DAY, 90 * DAY)
    assert (settings.retention_failed_us, settings.retention_logs_us) == (90 * DAY, 14 * DAY)
    assert settings.retention_occurrences_us == 400 * DAY
    assert (settings.limit_body, settings.limit_args, settings.limit_result) == (2 << 20, 1 << 20, 1 << 20)
    assert (settings.limit_log, settings.limit_line, settings.limit_answer) == (8 << 20, 64 << 10, 64 << 10)
    assert (settings.limit_depth, settings.auth_secret_role, settings.log_format) == (64, "operator", None)


def test_every_row_of_the_table_is_an_attribute_and_every_attribute_a_row() -> None:
    names = [setting.field for setting in SETTINGS]
    assert sorted(names) == sorted(Settings.__struct_fields__)
    assert len({setting.name for setting in SETTINGS}) == len(SETTINGS)


def test_values_have_the_types_that_settings_declares() -> None:
    for environ in ({}, EXAMPLES):
        settings = load_settings(environ)
        assert msgspec.convert(msgspec.structs.asdict(settings), Settings, strict=True) == settings


EXAMPLES = {
    "ROTA_DATABASE_URL": "postgres://u:db-password@h/d",
    "ROTA_HOST": "0.0.0.0",
    "ROTA_PORT": "8080",
    "ROTA_PROBE_PORT": "9000",
    "ROTA_ROOT_PATH": "/scheduler/",
    "ROTA_APP": "myapp.jobs:rota",
    "ROTA_SERVICE_NAME": "QueueService",
    "ROTA_EXECUTORS": "function, http",
    "ROTA_QUEUES": "mail,host:web-1",
    "ROTA_LABELS": "gpu,eu",
    "ROTA_CONCURRENCY": "4",
    "ROTA_LEASE": "5s",
    "ROTA_GRACE": "0s",
    "ROTA_STALL": "500ms",
    "ROTA_FUNCTION_MODULES": "myapp.jobs,other",
    "ROTA_PRIORITIES": "live=100,HIGH=5",
    "ROTA_AUTH_SECRET": "whateveryouwant, but long enough",
    "ROTA_AUTH_SECRET_ROLE": "viewer",
    "ROTA_AUTH_SECRET_MAX_ROLE": "Operator",
    "ROTA_AUTH_JWKS_URL": "https://issuer.example/.well-known/jwks.json",
    "ROTA_AUTH_ISSUER": "https://issuer.example",
    "ROTA_AUTH_AUDIENCE": "rota,other",
    "ROTA_AUTH_ROLE_CLAIM": "app.role",
    "CLERK_SECRET_KEY": "sk_test_clerk",
    "ROTA_OIDC_CLIENT_ID": "rota-client",
    "ROTA_OIDC_CLIENT_SECRET": "oidc-secret",
    "ROTA_OIDC_SCOPES": "openid  groups",
    "ROTA_CLERK_API_URL": "http://clerk.internal:9000",
    "ROTA_USER_SERVICE_URL": "http://user:7003",
    "ROTA_SECRET_KEY": "dmF1bHQta2V5LXZhdWx0LWtleS12YXVsdC1rZXktMTI=",
    "ROTA_ALLOWED_HOSTS": "jobs.example.org,*.example.com:8443",
    "ROTA_TRUSTED_PROXIES": "10.0.0.0/8,::1",
    "ROTA_CORS_ORIGINS": "https://app.example.org",
    "ROTA_METRICS_PUBLIC": "yes",
    "ROTA_VIEWER_PAYLOADS": "hide",
    "ROTA_PERMISSIONS": "cancelJob=Admin, retryJob=viewer",
    "ROTA_SERVICE_CRAWLER_URL": "http://crawler:7004",
    "ROTA_HTTP_ALLOW": "*.internal,10.0.0.0/8",
    "ROTA_HTTP_DENY": "10.1.0.0/16,bad.example",
    "ROTA_HTTP_PROXY": "http://me:proxy-password@proxy:3128",
    "ROTA_CALLBACK_HOSTS": "app.example.org",
    "ROTA_RQ_URL": "redis://:rq-password@redis:6379/0",
    "ROTA_CELERY_BROKER_URL": "rediss://me:broker-password@redis:6380/1?ssl_cert_reqs=required",
    "ROTA_CELERY_BACKEND_URL": "unix:///run/redis.sock?db=2",
    "ROTA_REDIS_URLS": "billing=redis://:billing-password@billing:6379/0,mail=redis://mail/3",
    "ROTA_NOTIFY_URLS": "slack://a/b/c, mailto://me:pw@example.org?to=a,b",
    "ROTA_PUBLIC_URL": "https://rota.example.org",
    "ROTA_CANARY_URL": "https://hc-ping.com/0b1c2d3e-canary",
    "ROTA_CANARY_EVERY": "30s",
    "ROTA_LOG_FORMAT": "text",
    "ROTA_LOG_LEVEL": "DEBUG",
    "ROTA_LOG_FILE": "rota.log",
    "ROTA_LOG_FILE_SIZE": "10MiB",
    "ROTA_LOG_FILE_KEPT": "2",
    "ROTA_LOG_RENAME": "queue=queueName,jobId=messageId",
    "ROTA_LOG_OUTPUT": "1",
    "ROTA_RETENTION_COMPLETED": "2h",
    "ROTA_RETENTION_RUNS": "1d",
    "ROTA_RETENTION_FAILED": "never",
    "ROTA_RETENTION_OCCURRENCES": "10d",
    "ROTA_RETENTION_AUDIT": "10d",
    "ROTA_RETENTION_ROLLUPS": "30d",
    "ROTA_RETENTION_LOGS": "1d12h",
    "ROTA_RETENTION_PINGS": "9d",
    "ROTA_KEEP_PINGS": "10",
    "ROTA_KEEP_LAST": "0",
    "ROTA_KEEP_MOST_COMPLETED": "10",
    "ROTA_KEEP_MOST_RUNS": "20",
    "ROTA_KEEP_MOST_FAILED": "30",
    "ROTA_KEEP_MOST_BYTES": "20GB",
    "ROTA_ARCHIVE_DIR": "archive",
    "ROTA_ARCHIVE_FORMAT": "parquet",
    "ROTA_ARCHIVE_LOGS": "true",
    "ROTA_LIMIT_BODY": "4MiB",
    "ROTA_LIMIT_ARGS": "1000",
    "ROTA_LIMIT_RESULT": "10kb",
    "ROTA_LIMIT_DEPTH": "100",
    "ROTA_LIMIT_LOG": "16m",
    "ROTA_LIMIT_JOB_LOG": "128m",
    "ROTA_LIMIT_LINE": "1 KiB",
    "ROTA_LIMIT_ANSWER": "512b",
}


def test_every_setting_can_be_set_in_the_environment() -> None:
    assert {setting.name.replace("<NAME>", "CRAWLER") for setting in SETTINGS} == set(EXAMPLES)
    default, settings = load_settings({}), load_settings(EXAMPLES)
    same = [name for name in Settings.__struct_fields__ if getattr(default, name) == getattr(settings, name)]
    assert same == []


def test_what_the_examples_mean() -> None:
    settings = load_settings(EXAMPLES)
    assert (settings.root_path, settings.executors) == ("/scheduler", ("function", "http"))
    assert settings.priorities == {"live": 100, "high": 5}
    assert (settings.auth_secret_max_role, settings.log_level) == ("operator", "debug")
    assert settings.oidc_scopes == "openid groups"
    assert settings.permissions == {"cancelJob": "admin", "retryJob": "viewer"}
    assert settings.notify_urls == ("slack://a/b/c", "mailto://me:pw@example.org?to=a,b")
    assert settings.log_rename == {"queue": "queueName", "jobId": "messageId"}
    assert (settings.retention_failed_us, settings.retention_logs_us) == (None, 36 * HOUR)
    sizes = (settings.limit_args, settings.limit_result, settings.limit_log, settings.limit_line, settings.limit_answer)
    assert sizes == (1000, 10_000, 16 << 20, 1024, 512)


def test_the_same_names_in_rota_toml_with_its_own_types(tmp_path: Path) -> None:
    (tmp_path / "rota.toml").write_text(
        """
        ROTA_PORT = 8080
        ROTA_LEASE = 5.5
        ROTA_METRICS_PUBLIC = true
        ROTA_QUEUES = ["a", "b"]
        ROTA_LOG_RENAME = {queue = "queueName"}
        ROTA_PRIORITIES = {live = 7}
        ROTA_SERVICE_CRAWLER_URL = "http://crawler"
        EMAIL_SERVICE_URL = "http://email"
        CLERK_SECRET_KEY = "sk"
        """
    )
    settings = load_settings({})
    assert (settings.port, settings.lease_us, settings.metrics_public) == (8080, 5_500_000, True)
    assert (settings.queues, settings.log_rename, settings.priorities) == (
        ("a", "b"),
        {"queue": "queueName"},
        {"live": 7},
    )
    assert settings.services == {"crawler": "http://crawler", "email": "http://email"}
    assert settings.clerk_secret_key == "sk"


def test_each_example_reads_the_same_from_the_file(tmp_path: Path) -> None:
    path = tmp_path / "other.toml"
    path.write_text("".join(f"{name} = {msgspec.json.encode(text).decode()}\n" for name, text in EXAMPLES.items()))
    assert load_settings({"ROTA_CONFIG": str(path)}) == load_settings({}, file=path) == load_settings(EXAMPLES)


def test_overrides_over_environment_over_file_over_defaults(tmp_path: Path) -> None:
    (tmp_path / "rota.toml").write_text("ROTA_PORT = 1\nROTA_CONCURRENCY = 2\nROTA_KEEP_LAST = 3\n")
    settings = load_settings({"ROTA_PORT": "11", "ROTA_CONCURRENCY": "12"}, port=21, concurrency=None)
    assert (settings.port, settings.concurrency, settings.keep_last, settings.limit_depth) == (21, 12, 3, 64)


def test_an_override_is_checked_like_any_value() -> None:
    assert load_settings({}, database_url="sqlite:///x.db", lease="2s").lease_us == 2 * SECOND
    with pytest.raises(SettingInvalid, match="ROTA_PORT: expected a whole number"):
        load_settings({}, port=70_000)
    with pytest.raises(TypeError, match="lease_us"):
        load_settings({}, lease_us=1)


def test_an_empty_variable_is_not_set() -> None:
    assert load_settings({"ROTA_AUTH_SECRET": "", "ROTA_PORT": "", "PORT": "5"}).port == 5


@pytest.mark.parametrize("alias", ["DATABASE_URL", "POSTGRES_PRISMA_URL"])
def test_the_database_by_its_other_names(alias: str) -> None:
    assert load_settings({alias: "postgres://h/d"}).database_url.display == "postgresql://h/d"
    own = {"ROTA_DATABASE_URL": "sqlite:///own.db", alias: "mysql://not-ours"}
    assert load_settings(own).database_url.display == "sqlite:///own.db"
    assert refused({alias: "mysql://h/d"}).field == alias


def test_host_port_and_secret_by_their_other_names() -> None:
    settings = load_settings({"HOST": "::1", "PORT": "8080", "SCHEDULER_SHARED_AUTH_SECRET": "s3cr3t"})
    assert (settings.host, settings.port, settings.auth_secret) == ("::1", 8080, "s3cr3t")


def test_a_short_shared_secret_is_taken_by_its_foreign_name_alone(tmp_path: Path) -> None:
    error = refused({"ROTA_AUTH_SECRET": "whateveryouwant"})
    assert str(error).startswith("ROTA_AUTH_SECRET: expected a secret of at least 32 characters, not ***")
    assert error.hint == "make one: openssl rand -hex 32"
    with pytest.raises(SettingInvalid):
        load_settings({}, auth_secret="x" * 31)
    assert load_settings({"ROTA_AUTH_SECRET": "x" * 32}).auth_secret == "x" * 32
    (tmp_path / "rota.toml").write_text('SCHEDULER_SHARED_AUTH_SECRET = "whateveryouwant"')
    assert load_settings({}).auth_secret == "whateveryouwant"


def test_an_own_name_in_the_file_wins_over_a_foreign_one_in_the_environment(tmp_path: Path) -> None:
    (tmp_path / "rota.toml").write_text('ROTA_DATABASE_URL = "sqlite:///mine.db"')
    settings = load_settings({"DATABASE_URL": "postgres://the-application/db"})
    assert settings.database_url.display == "sqlite:///mine.db"


def test_services_by_both_spellings() -> None:
    settings = load_settings(
        {
            "CRAWLER_SERVICE_URL": "http://old",
            "ROTA_SERVICE_CRAWLER_URL": "http://new",
            "EMAIL_WORKER_SERVICE_URL": "https://email",
            "OTHER_SERVICE_URL": "grpc://not-for-us",
            "EMPTY_SERVICE_URL": "",
        }
    )
    assert settings.services == {"crawler": "http://new", "email_worker": "https://email"}
    assert settings.service_url("Email-Worker") == "https://email"
    with pytest.raises(Invalid, match=r"service: no service 'mail' is set; known: crawler, email_worker") as caught:
        settings.service_url("mail")
    assert caught.value.hint == "set ROTA_SERVICE_MAIL_URL"


def test_a_service_without_a_scheme_is_refused() -> None:
    assert refused({"CRAWLER_SERVICE_URL": "crawler:7004"}).field == "CRAWLER_SERVICE_URL"


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("ROTA_PROT", "did you mean ROTA_PORT?"),
        ("ROTA_DATABASE", "did you mean ROTA_DATABASE_URL?"),
        ("ROTA_RETENTION_FAILD", "did you mean ROTA_RETENTION_FAILED?"),
        ("ROTA_CRAWLER_SERVICE_URL", "did you mean ROTA_SERVICE_CRAWLER_URL?"),
        ("ROTA_SERVICES_URL", None),
        ("ROTA_", None),
    ],
)
def test_an_unknown_variable_is_refused_with_a_hint(name: str, hint: str | None) -> None:
    error = refused({name: "hunter2"})
    assert error.field == name
    assert "no such setting" in error.reason
    assert "hunter2" not in str(error)
    assert hint is None or error.hint == hint


def test_an_unknown_key_of_the_file_is_refused_with_a_hint(tmp_path: Path) -> None:
    (tmp_path / "rota.toml").write_text('port = "hunter2"')
    error = refused({})
    assert error.field == "port"
    assert "rota.toml" in error.reason
    assert error.hint == "did you mean ROTA_PORT?"
    assert "hunter2" not in str(error)


def test_variables_that_are_not_for_the_settings_are_left_alone() -> None:
    environ = {**dict.fromkeys(OTHER_VARIABLES, "x"), "ROTA_TEST_POSTGRES_URL": "x", "rota_port": "1", "PORTO": "1"}
    del environ["ROTA_CONFIG"]
    assert load_settings(environ) == load_settings({})


def test_what_kubernetes_adds_for_services_called_rota_is_left_alone() -> None:
    environ: dict[str, str] = {}
    for prefix in ("ROTA", "ROTA_API"):
        environ |= {
            f"{prefix}_SERVICE_HOST": "10.0.0.1",
            f"{prefix}_SERVICE_PORT": "7005",
            f"{prefix}_SERVICE_PORT_HTTP": "7005",
            f"{prefix}_PORT": "tcp://10.0.0.1:7005",
            f"{prefix}_PORT_7005_TCP": "tcp://10.0.0.1:7005",
            f"{prefix}_PORT_7005_TCP_PROTO": "tcp",
            f"{prefix}_PORT_7005_TCP_PORT": "7005",
            f"{prefix}_PORT_7005_TCP_ADDR": "10.0.0.1",
        }
    assert load_settings({**environ, "PORT": "8080"}).port == 8080


WRONG = {
    "ROTA_HOST": ["not a host", "300.1.1.1", "http://x", "[::1"],
    "ROTA_PORT": ["abc", "-1", "65536", "7005.5", "٣"],
    "ROTA_ROOT_PATH": ["scheduler", "/a b", "//a", "/a?b", "http://x/a"],
    "ROTA_APP": ["myapp", "myapp:", "my app:rota", "myapp:rota()", "1x:y"],
    "ROTA_SERVICE_NAME": ["a\nb", " "],
    "ROTA_EXECUTORS": ["function;http", "a b"],
    "ROTA_QUEUES": ["-mail", "a/b"],
    "ROTA_CONCURRENCY": ["0", "10001", "many"],
    "ROTA_LEASE": ["20", "0s", "500ms", "20 sec", "-5s", "1000000d"],
    "ROTA_GRACE": ["soon"],
    "ROTA_STALL": ["1ms"],
    "ROTA_FUNCTION_MODULES": ["my-app", "a..b"],
    "ROTA_PRIORITIES": ["high", "high=", "high=x", "high=1,HIGH=2", "high=99999"],
    "ROTA_AUTH_SECRET_ROLE": ["root", "admins"],
    "ROTA_AUTH_JWKS_URL": ["issuer.example/jwks", "ftp://x", "http://", "http://x:port", "http://x y", "http://x:0"],
    "ROTA_USER_SERVICE_URL": ["user:7003"],
    "ROTA_ALLOWED_HOSTS": ["https://jobs.example.org", "a b", "h:99999", "10.0.0.0/8"],
    "ROTA_TRUSTED_PROXIES": ["*", "proxy", "10.0.0.1/8"],
    "ROTA_CORS_ORIGINS": ["app.example.org", "https://app.example.org/", "https://a/b"],
    "ROTA_METRICS_PUBLIC": ["maybe", "2"],
    "ROTA_OIDC_SCOPES": ["profile", "openid, email", 'openid "x"', " "],
    "ROTA_VIEWER_PAYLOADS": ["mask", "true"],
    "ROTA_PERMISSIONS": ["cancelJob", "cancelJob=", "cancelJob=root", "a=viewer,a=admin"],
    "ROTA_SERVICE_X_URL": ["x", "redis://x"],
    "ROTA_HTTP_DENY": ["10.0.0.0/33", "a b", "*.*.x"],
    "ROTA_NOTIFY_URLS": [
        "slack",
        "slack://a b",
        "json://a?rota_min=info",
        "json://a?rota_name=",
        "json://a?rota_nam=x",
        "json://a?rota_name=x json://b?rota_name=x",
    ],
    "ROTA_PUBLIC_URL": ["rota.example.org", "ftp://x"],
    "ROTA_CANARY_EVERY": ["1s", "often"],
    "ROTA_LOG_FORMAT": ["yaml"],
    "ROTA_LOG_LEVEL": ["loud"],
    "ROTA_LOG_RENAME": ["queue", "queue=", "=x", "a=x,b=x", "a=x,a=y"],
    "ROTA_RETENTION_FAILED": ["always", "90", "0s"],
    "ROTA_KEEP_LAST": ["-1"],
    "ROTA_LIMIT_BODY": ["2 mebibytes", "0", "-1", "2TiB"],
    "ROTA_LIMIT_DEPTH": ["0", "501"],
}


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in WRONG.items() for value in values])
def test_a_wrong_value_is_refused_with_name_value_and_what_was_expected(name: str, value: str) -> None:
    error = refused({name: value})
    assert error.field == name
    assert "expected" in error.reason
    if name != "ROTA_NOTIFY_URLS":
        assert repr(value) in error.reason


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ROTA_PORT", "true"),
        ("ROTA_PORT", "1.0"),
        ("ROTA_LEASE", "true"),
        ("ROTA_LEASE", "[1]"),
        ("ROTA_HOST", "1"),
        ("ROTA_QUEUES", "[1]"),
        ("ROTA_QUEUES", "{a = 1}"),
        ("ROTA_LOG_RENAME", "{a = 1, b = 1}"),
        ("ROTA_METRICS_PUBLIC", "1"),
        ("ROTA_LIMIT_BODY", "true"),
        ("ROTA_DATABASE_URL", "1"),
        ("ROTA_APP", "1979-05-27"),
        ("ROTA_NOTIFY_URLS", "3"),
    ],
)
def test_a_value_of_the_wrong_type_in_the_file_is_refused(tmp_path: Path, name: str, value: str) -> None:
    (tmp_path / "rota.toml").write_text(f"{name} = {value}")
    error = refused({})
    assert error.field == name
    assert "rota.toml" in error.reason


@pytest.mark.parametrize("name", ["ROTA_AUTH_SECRET", "CLERK_SECRET_KEY", "ROTA_SECRET_KEY", "ROTA_NOTIFY_URLS"])
def test_a_wrong_secret_is_not_shown(name: str) -> None:
    error = refused({name: "hunter2 \n"})
    assert error.field == name
    assert "hunter2" not in str(error)


def test_passwords_in_addresses_are_not_shown() -> None:
    assert "hunter2" not in str(refused({"ROTA_HTTP_PROXY": "http://me:hunter2@:bad"}))
    assert "hunter2" not in str(refused({"ROTA_CORS_ORIGINS": "https://me:hunter2@x/y"}))


def test_no_secret_in_the_representation() -> None:
    settings = load_settings(EXAMPLES)
    secrets = {
        "db-password",
        "whateveryouwant, but long enough",
        "sk_test_clerk",
        "dmF1bHQta2V5LXZhdWx0LWtleS12YXVsdC1rZXktMTI=",
        "proxy-password",
        "slack://a/b/c",
    }
    assert secrets <= set(settings.secrets)
    shown: Any = settings.__rich_repr__()
    assert not [secret for secret in settings.secrets if secret in repr(settings) + repr(shown)]


def test_a_named_file_must_exist_and_be_toml(tmp_path: Path) -> None:
    missing = refused({"ROTA_CONFIG": "nowhere.toml"})
    assert missing.field == "ROTA_CONFIG"
    assert "nowhere.toml" in missing.reason
    (tmp_path / "bad.toml").write_text("ROTA_PORT = 1\nROTA_AUTH_SECRET = hunter2\n")
    broken = refused({"ROTA_CONFIG": "bad.toml"})
    assert "line 2" in broken.reason
    assert "hunter2" not in str(broken)
    (tmp_path / "latin.toml").write_bytes(b'ROTA_SERVICE_NAME = "\xff"')
    assert "TOML" in refused({"ROTA_CONFIG": "latin.toml"}).reason
    assert "cannot be read" in refused({"ROTA_CONFIG": str(tmp_path)}).reason
