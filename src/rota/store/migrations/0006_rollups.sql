-- What has ended, summed up, so that nobody counts rows to show a day or a year.

-- Ends of one kind within one stretch of time.  The same ends are in a row of each length of stretch.
CREATE TABLE rota_rollups (
  -- seconds of the stretch: 60, 300, 900, 7200 or 21600; at is its begin
  step bigint NOT NULL,
  at bigint NOT NULL,
  queue text NOT NULL,
  -- empty for jobs without a type
  type text NOT NULL,
  -- completed, failed, cancelled: ends of jobs; retried, lost, interrupted, snoozed: ends of attempts
  outcome text NOT NULL,
  ends bigint NOT NULL,
  -- how many of them were measured, the sums, and how many fell between which bounds: {"bucket": number}
  timed bigint NOT NULL,
  waiting_us bigint NOT NULL,
  running_us bigint NOT NULL,
  waiting text NOT NULL,
  running text NOT NULL,
  PRIMARY KEY (step, at, queue, type, outcome)
);

-- When attempts ended that did not end their job.
CREATE INDEX rota_attempts_ended ON rota_attempts (ended_at);
