-- Versions of schedules, calendars, and turns: runs that must not overlap wait for each other.

-- What a schedule was from `at` on; its number is the schedule's version.  definition is null where it was deleted.
CREATE TABLE rota_schedule_versions (
  schedule_id text NOT NULL,
  version bigint NOT NULL,
  action text NOT NULL,
  author text,
  note text,
  definition {json},
  at bigint NOT NULL,
  PRIMARY KEY (schedule_id, version)
);

CREATE TABLE rota_calendars (
  name text PRIMARY KEY,
  document {json} NOT NULL,
  note text,
  version bigint NOT NULL,
  author text,
  created_at bigint NOT NULL,
  updated_at bigint NOT NULL
);

CREATE INDEX rota_schedules_calendars ON rota_schedules (id) WHERE calendars IS NOT NULL;

-- What becomes of a schedule when its last instant has run: keep or delete.
ALTER TABLE rota_schedules ADD COLUMN after_run text NOT NULL DEFAULT 'keep';
-- Failures in a row after which it is paused; those before resumed_at do not count.
ALTER TABLE rota_schedules ADD COLUMN pause_after bigint;
ALTER TABLE rota_schedules ADD COLUMN resumed_at bigint;
-- Which application or file declared it, where the owner is code or file.
ALTER TABLE rota_schedules ADD COLUMN source text;
CREATE INDEX rota_schedules_spent ON rota_schedules (id) WHERE next_at IS NULL AND after_run = 'delete';

-- Of the jobs with one turn_key at most one is ready or runs; the others are held, in the order of their ids.
ALTER TABLE rota_jobs ADD COLUMN turn_key text;
-- How a requested end is meant: null and stop are polite first, kill is at once.
ALTER TABLE rota_jobs ADD COLUMN cancel_mode text;
CREATE UNIQUE INDEX rota_jobs_turn ON rota_jobs (turn_key)
  WHERE turn_key IS NOT NULL AND status IN ('scheduled', 'pending', 'running');
CREATE INDEX rota_jobs_held ON rota_jobs (turn_key, id) WHERE status = 'held';
DROP INDEX rota_jobs_overlap;
CREATE INDEX rota_jobs_overlap ON rota_jobs (schedule_id)
  WHERE schedule_id IS NOT NULL AND status IN ('scheduled', 'pending', 'running', 'held');
DROP INDEX rota_jobs_expiring;
CREATE INDEX rota_jobs_expiring ON rota_jobs (expires_at)
  WHERE expires_at IS NOT NULL AND status IN ('pending', 'scheduled', 'held');
