-- Sums that only grow: they outlive the rows, and the rollups, that they were made of.

-- Ends of one kind since the first one, for counters and histograms of monitoring.
CREATE TABLE rota_totals (
  queue text NOT NULL,
  -- empty for jobs without a type
  type text NOT NULL,
  -- as in rota_rollups
  outcome text NOT NULL,
  ends bigint NOT NULL,
  -- how many of them were measured, the sums, and how many fell between which bounds: {"bucket": number}
  timed bigint NOT NULL,
  waiting_us bigint NOT NULL,
  running_us bigint NOT NULL,
  waiting text NOT NULL,
  running text NOT NULL,
  -- waiting and running together
  whole text NOT NULL,
  -- when the last of them was added
  at bigint NOT NULL,
  PRIMARY KEY (queue, type, outcome)
);

-- Other counts, such as occurrences/missed and deleted/jobs.
CREATE TABLE rota_counters (
  name text PRIMARY KEY,
  value bigint NOT NULL
);
