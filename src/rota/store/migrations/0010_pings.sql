-- Jobs that Rota does not run, which tell it that they ran.

CREATE TABLE rota_checks (
  id text PRIMARY KEY,
  name text NOT NULL,
  -- what stands in the address that is pinged, and by what it is found: docs/decisions/0022-ping-keys-can-be-shown-again.md
  key text NOT NULL,
  key_hash text NOT NULL UNIQUE,
  -- when a ping is expected: so long after the last, or at the times of a cron expression in a zone
  every_us bigint,
  cron text,
  timezone text NOT NULL,
  grace_us bigint NOT NULL,
  longest_us bigint,
  tags {json},
  note text,
  paused_at bigint,
  paused_by text,
  pause_note text,
  -- expected from this instant on: when it was made, resumed, or said anew
  expected_from bigint NOT NULL,
  -- how the last run ended: success or fail; nothing where none ended since expected_from
  outcome text,
  exit_code bigint,
  took_us bigint,
  ended_at bigint,
  failures bigint NOT NULL,
  failed_since bigint,
  -- of the run that goes on
  started_at bigint,
  run_id text,
  -- the last ping of any kind, and how many there were
  pinged_at bigint,
  pings bigint NOT NULL,
  -- when the next is expected, and after when something is wrong
  next_at bigint,
  late_at bigint,
  version bigint NOT NULL,
  created_at bigint NOT NULL,
  updated_at bigint NOT NULL
);
CREATE INDEX rota_checks_name ON rota_checks (name, id);
CREATE INDEX rota_checks_late ON rota_checks (late_at) WHERE late_at IS NOT NULL;
CREATE INDEX rota_checks_failed ON rota_checks (failed_since) WHERE failed_since IS NOT NULL;

CREATE TABLE rota_pings (
  check_id text NOT NULL,
  -- the how many-th of its check
  n bigint NOT NULL,
  kind text NOT NULL,
  exit_code bigint,
  run_id text,
  took_us bigint,
  source text,
  body text,
  at bigint NOT NULL,
  PRIMARY KEY (check_id, n)
);
CREATE INDEX rota_pings_run ON rota_pings (check_id, run_id) WHERE run_id IS NOT NULL;
CREATE INDEX rota_pings_age ON rota_pings (at);

-- What is shown to anybody: the states of what has a tag.
CREATE TABLE rota_status_pages (
  tag text PRIMARY KEY,
  slug text NOT NULL UNIQUE,
  title text NOT NULL,
  names {json},
  page bigint NOT NULL,
  badge bigint NOT NULL,
  created_at bigint NOT NULL,
  created_by text,
  updated_at bigint NOT NULL,
  updated_by text
);
