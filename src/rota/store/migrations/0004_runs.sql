-- Runs that can be watched and cannot hurt: signs of life, answers that come later, checkpoints, secrets.

-- The longest silence that a run may keep; without one it may be silent until its time-out.
ALTER TABLE rota_jobs ADD COLUMN silence_us bigint;
-- Set while a job runs without a worker: its target has taken it and answers later, until then.
ALTER TABLE rota_jobs ADD COLUMN answer_by bigint;
-- By when such a target must give its next sign of life; null where its job says nothing of silence.
ALTER TABLE rota_jobs ADD COLUMN silent_by bigint;
-- SHA-256 of the token that the target was given to answer with.
ALTER TABLE rota_jobs ADD COLUMN answer_hash text;
CREATE INDEX rota_jobs_awaiting ON rota_jobs (answer_by) WHERE status = 'running' AND answer_by IS NOT NULL;

-- What a run stored for the next attempt to go on from.
ALTER TABLE rota_jobs ADD COLUMN checkpoint {json};
-- What was sent to the target and what came back, secrets masked, long bodies cut.
ALTER TABLE rota_jobs ADD COLUMN exchange {json};

-- Named secrets.  box is the value, encrypted; key_id tells which key of the settings opens it.
CREATE TABLE rota_secrets (
  name text PRIMARY KEY,
  box text NOT NULL,
  key_id text NOT NULL,
  version bigint NOT NULL,
  note text,
  created_at bigint NOT NULL,
  created_by text,
  updated_at bigint NOT NULL,
  updated_by text,
  used_at bigint
);
