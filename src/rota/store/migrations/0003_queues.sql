-- Queues that nobody outgrows: limits by key and by time, routes to labelled workers, pauses of types and keys,
-- dependencies, batches, operations on many jobs, and the audit.

-- Most jobs of the queue that one worker runs at once.
ALTER TABLE rota_queues ADD COLUMN worker_concurrency bigint;
-- A job that waited so long (µs) is worth one priority more; see rota_jobs.priority.
ALTER TABLE rota_queues ADD COLUMN ageing_us bigint;
-- A target asked for a pause (Retry-After): until then no HTTP job of the queue starts.
ALTER TABLE rota_queues ADD COLUMN slowed_until bigint;
ALTER TABLE rota_queues ADD COLUMN slowed_by text;
-- When the pause of the queue ends by itself.
ALTER TABLE rota_queues ADD COLUMN resume_at bigint;

-- Job types and keys of which nothing starts.  A key is paused in one queue, or where queue is empty in all of them.
CREATE TABLE rota_pauses (
  kind text NOT NULL,
  queue text NOT NULL,
  name text NOT NULL,
  note text,
  author text,
  at bigint NOT NULL,
  resume_at bigint,
  PRIMARY KEY (kind, queue, name)
);

-- How many jobs started when, in queues with rate limits, which sum up what is in their window.  key is null where the
-- queue has no limit by key.
CREATE TABLE rota_starts (
  queue text NOT NULL,
  key text,
  at bigint NOT NULL,
  starts bigint NOT NULL
);
CREATE INDEX rota_starts_queue ON rota_starts (queue, at);
CREATE INDEX rota_starts_key ON rota_starts (queue, key, at) WHERE key IS NOT NULL;

-- Set where the queue lets jobs age: rank is then run_at - priority * ageing_us.  Else the priority is the negated rank.
ALTER TABLE rota_jobs ADD COLUMN priority bigint;
-- `labels|key` of a job that asks for labels or has a concurrency key, null for all others.  The claim goes round the
-- rings of a queue; `!type|…` is the ring of a job whose type is paused, which nobody serves.
ALTER TABLE rota_jobs ADD COLUMN ring text{pg| COLLATE "C"};
UPDATE rota_jobs SET ring = '|' || concurrency_key
  WHERE concurrency_key IS NOT NULL AND status IN ('scheduled', 'pending', 'held', 'running', 'failed');
DROP INDEX rota_jobs_ready;
CREATE INDEX rota_jobs_ready ON rota_jobs (queue, lane, rank, run_at, id) WHERE status = 'pending' AND ring IS NULL;
CREATE INDEX rota_jobs_ring ON rota_jobs (queue, lane, ring, rank, run_at, id)
  WHERE status = 'pending' AND ring IS NOT NULL;
CREATE INDEX rota_jobs_running_key ON rota_jobs (queue, concurrency_key)
  WHERE status = 'running' AND concurrency_key IS NOT NULL;

-- What the defaults come to, in the columns and units of a job, for who enqueues by SQL: see functions.py.
ALTER TABLE rota_types ADD COLUMN resolved {json};
ALTER TABLE rota_queues ADD COLUMN resolved {json};

-- Until when a job holds its unique key whatever becomes of it (scope `window:…`).
ALTER TABLE rota_jobs ADD COLUMN unique_until bigint;

-- The jobs that it waits for, as it was asked, and what becomes of it when one of them does not complete.
ALTER TABLE rota_jobs ADD COLUMN depends_on {json};
ALTER TABLE rota_jobs ADD COLUMN if_parent_failed text;
-- 1 when another job waits for the end of this one.
ALTER TABLE rota_jobs ADD COLUMN awaited bigint NOT NULL DEFAULT 0;
-- Which jobs a held one still waits for.
CREATE TABLE rota_dependencies (
  parent_id {uuid} NOT NULL,
  child_id {uuid} NOT NULL,
  PRIMARY KEY (parent_id, child_id)
);
CREATE INDEX rota_dependencies_child ON rota_dependencies (child_id);

CREATE TABLE rota_batches (
  id {uuid} PRIMARY KEY,
  name text,
  total bigint NOT NULL,
  callback_id {uuid},
  created_by text,
  created_at bigint NOT NULL
);
ALTER TABLE rota_jobs ADD COLUMN batch_id {uuid};
CREATE INDEX rota_jobs_batch ON rota_jobs (batch_id, status) WHERE batch_id IS NOT NULL;

-- One action on all jobs that match a filter, done in batches; whoever finds it left goes on after `position`.
CREATE TABLE rota_operations (
  id {uuid} PRIMARY KEY,
  action text NOT NULL,
  filter {json} NOT NULL,
  params {json} NOT NULL,
  status text NOT NULL,
  -- ids of the newest job that it takes, and of the last that it looked at
  newest {uuid},
  position {uuid},
  total bigint NOT NULL,
  looked_at bigint NOT NULL DEFAULT 0,
  changed bigint NOT NULL DEFAULT 0,
  author text,
  error text,
  busy_until bigint,
  created_at bigint NOT NULL,
  updated_at bigint NOT NULL,
  completed_at bigint
);
CREATE INDEX rota_operations_open ON rota_operations (id) WHERE status = 'running';

-- Who changed what: noun and name say what, before and after how it was and is.  Rows are only added.
CREATE TABLE rota_audit (
  id {uuid} PRIMARY KEY,
  at bigint NOT NULL,
  actor text,
  role text,
  origin text,
  action text NOT NULL,
  noun text NOT NULL,
  name text NOT NULL,
  note text,
  before {json},
  after {json}
);
CREATE INDEX rota_audit_subject ON rota_audit (noun, name, id);
