-- What watches over schedules, queues and the system, and what it found.

-- What a person said about a monitor; one without a row is as it is by default, and so is what is null.
CREATE TABLE rota_monitors (
  -- kind:subject kind:subject, such as failing:schedule:digest; * as the subject means all of them
  id text PRIMARY KEY,
  enabled bigint,
  -- how long, or how many, before something is wrong; how long that must last before it is told
  limit_us bigint,
  limit_count bigint,
  grace_us bigint,
  realert_us bigint,
  quiet_hours {json},
  depends_on {json},
  note text,
  muted_at bigint,
  muted_until bigint,
  muted_by text,
  muted_note text,
  version bigint NOT NULL,
  created_at bigint NOT NULL,
  updated_at bigint NOT NULL
);

-- One incident each: from when a monitor found something until it was over.
CREATE TABLE rota_alerts (
  id {uuid} PRIMARY KEY,
  monitor_id text NOT NULL,
  kind text NOT NULL,
  severity text NOT NULL,
  subject_kind text NOT NULL,
  subject_id text NOT NULL,
  text text NOT NULL,
  job_id {uuid},
  -- since when it is so, when it was found, when it was seen last, and since when it is not so any more
  since_at bigint NOT NULL,
  opened_at bigint NOT NULL,
  seen_at bigint NOT NULL,
  gone_at bigint,
  -- when the channels were told last, and how often; why they are not told
  told_at bigint,
  tellings bigint NOT NULL,
  held_by text,
  closed_at bigint,
  closing text,
  -- when the channels were told that it is over, or need not be told any more
  over_at bigint
);
-- Several that look at the same time open one incident.
CREATE UNIQUE INDEX rota_alerts_open ON rota_alerts (monitor_id) WHERE closed_at IS NULL;
CREATE INDEX rota_alerts_ended ON rota_alerts (closed_at) WHERE closed_at IS NOT NULL AND over_at IS NULL;
CREATE INDEX rota_alerts_monitor ON rota_alerts (monitor_id, opened_at);
CREATE INDEX rota_alerts_age ON rota_alerts (opened_at);
