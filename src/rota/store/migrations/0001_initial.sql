-- Times are microseconds UTC, durations microseconds, JSON documents stay byte for byte.

CREATE TABLE rota_types (
  name text PRIMARY KEY,
  lane text NOT NULL,
  target {json},
  args_schema {json},
  defaults {json} NOT NULL,
  links {json},
  owner text NOT NULL,
  version bigint NOT NULL,
  created_at bigint NOT NULL,
  updated_at bigint NOT NULL
);

CREATE TABLE rota_queues (
  name text PRIMARY KEY,
  concurrency bigint,
  key_concurrency bigint,
  rate_limits {json},
  defaults {json},
  retention {json},
  paused_at bigint,
  paused_by text,
  paused_note text,
  created_at bigint NOT NULL
);

CREATE TABLE rota_schedules (
  id text PRIMARY KEY,
  type text,
  lane text NOT NULL,
  target {json},
  args {json} NOT NULL,
  rule {json} NOT NULL,
  timezone text NOT NULL,
  job {json} NOT NULL,
  overlap text NOT NULL,
  catchup text NOT NULL,
  catchup_window_us bigint,
  start_at bigint,
  end_at bigint,
  max_runs bigint,
  jitter_us bigint NOT NULL,
  calendars {json},
  anchor_at bigint NOT NULL,
  next_at bigint,
  last_at bigint,
  last_job_id {uuid},
  runs bigint NOT NULL,
  paused_at bigint,
  paused_by text,
  paused_note text,
  resume_at bigint,
  note text,
  owner text NOT NULL,
  version bigint NOT NULL,
  created_at bigint NOT NULL,
  updated_at bigint NOT NULL
);
CREATE INDEX rota_schedules_due ON rota_schedules (next_at) WHERE next_at IS NOT NULL;

CREATE TABLE rota_occurrences (
  schedule_id text NOT NULL,
  scheduled_for bigint NOT NULL,
  until_at bigint NOT NULL,
  disposition text NOT NULL,
  job_id {uuid},
  reason text,
  cause text,
  version bigint NOT NULL,
  decided_at bigint NOT NULL,
  PRIMARY KEY (schedule_id, scheduled_for)
);
CREATE INDEX rota_occurrences_age ON rota_occurrences (decided_at);

CREATE TABLE rota_jobs (
  id {uuid} PRIMARY KEY,
  type text,
  lane text NOT NULL,
  target {json},
  queue text NOT NULL,
  -- rank is the negated priority: one row comparison (rank, run_at, id) then orders a queue
  rank bigint NOT NULL,
  status text NOT NULL,
  run_at bigint NOT NULL,
  -- attempt numbers the starts and fences results; attempts_used counts against max_attempts
  attempt bigint NOT NULL DEFAULT 0,
  attempts_used bigint NOT NULL DEFAULT 0,
  lost_count bigint NOT NULL DEFAULT 0,
  max_attempts bigint NOT NULL,
  retry {json},
  timeout_us bigint,
  on_lost text NOT NULL DEFAULT 'retry',
  args {json} NOT NULL,
  result {json},
  result_truncated bigint,
  error text,
  error_detail {json},
  reason text,
  unique_key text,
  unique_scope text,
  -- the key while it keeps others out; the index below is the lock
  unique_hold text,
  concurrency_key text,
  callback_url text,
  tags {json},
  run_on {json},
  origin text NOT NULL,
  started_by text,
  schedule_id text,
  scheduled_for bigint,
  expires_at bigint,
  worker_id {uuid},
  log_lines bigint NOT NULL DEFAULT 0,
  progress double precision,
  progress_note text,
  cancel_requested_at bigint,
  cancel_requested_by text,
  created_at bigint NOT NULL,
  started_at bigint,
  completed_at bigint,
  updated_at bigint NOT NULL
){pg| WITH (fillfactor = 85, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 1)};
CREATE INDEX rota_jobs_ready ON rota_jobs (queue, lane, rank, run_at, id) WHERE status = 'pending';
CREATE INDEX rota_jobs_due ON rota_jobs (run_at) WHERE status = 'scheduled';
CREATE INDEX rota_jobs_running ON rota_jobs (worker_id) WHERE status = 'running';
CREATE INDEX rota_jobs_finished ON rota_jobs (status, origin, completed_at) WHERE status IN ('completed', 'failed', 'cancelled');
CREATE INDEX rota_jobs_unsuccessful ON rota_jobs (status, id) WHERE status = 'failed' OR status = 'cancelled';
CREATE INDEX rota_jobs_type ON rota_jobs (type, id);
CREATE INDEX rota_jobs_schedule ON rota_jobs (schedule_id, scheduled_for) WHERE schedule_id IS NOT NULL;
CREATE INDEX rota_jobs_overlap ON rota_jobs (schedule_id)
  WHERE schedule_id IS NOT NULL AND status IN ('scheduled', 'pending', 'running');
CREATE INDEX rota_jobs_expiring ON rota_jobs (expires_at) WHERE expires_at IS NOT NULL AND status IN ('pending', 'scheduled');
CREATE UNIQUE INDEX rota_jobs_unique ON rota_jobs (unique_hold) WHERE unique_hold IS NOT NULL;

CREATE TABLE rota_attempts (
  job_id {uuid} NOT NULL,
  attempt bigint NOT NULL,
  outcome text NOT NULL,
  worker_id {uuid},
  started_at bigint,
  ended_at bigint NOT NULL,
  error text,
  error_detail {json},
  PRIMARY KEY (job_id, attempt)
);

CREATE TABLE rota_logs (
  job_id {uuid} NOT NULL,
  attempt bigint NOT NULL,
  first_line bigint NOT NULL,
  lines bigint NOT NULL,
  at bigint NOT NULL,
  -- a JSON array of [at, stream, text]
  body text NOT NULL,
  PRIMARY KEY (job_id, first_line)
);
CREATE INDEX rota_logs_age ON rota_logs (at);

CREATE TABLE rota_workers (
  id {uuid} PRIMARY KEY,
  role text NOT NULL,
  host text NOT NULL,
  pid bigint NOT NULL,
  version text NOT NULL,
  state text NOT NULL,
  queues {json},
  lanes {json},
  types {json},
  labels {json},
  detail {json},
  running bigint NOT NULL DEFAULT 0,
  started_at bigint NOT NULL,
  seen_at bigint NOT NULL,
  claimed_at bigint,
  lease_until bigint NOT NULL
);

CREATE TABLE rota_tokens (
  id {uuid} PRIMARY KEY,
  name text NOT NULL,
  role text NOT NULL,
  hash text NOT NULL UNIQUE,
  created_by text,
  created_at bigint NOT NULL,
  expires_at bigint,
  last_used_at bigint,
  revoked_at bigint
);

CREATE TABLE rota_idempotency (
  key text PRIMARY KEY,
  request_hash text NOT NULL,
  status bigint NOT NULL,
  body {json} NOT NULL,
  created_at bigint NOT NULL
);
CREATE INDEX rota_idempotency_age ON rota_idempotency (created_at);

CREATE TABLE rota_meta (
  key text PRIMARY KEY,
  value text NOT NULL
);
