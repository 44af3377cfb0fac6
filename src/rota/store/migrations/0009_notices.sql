-- What is to be told to channels, and how that went.

-- One message each, written with what it tells of.
CREATE TABLE rota_notices (
  id {uuid} PRIMARY KEY,
  kind text NOT NULL,
  severity text NOT NULL,
  title text NOT NULL,
  text text NOT NULL,
  path text NOT NULL,
  alert_ids {json} NOT NULL,
  created_at bigint NOT NULL,
  -- since when it lies with the channels
  spread_at bigint
);
CREATE INDEX rota_notices_unspread ON rota_notices (id) WHERE spread_at IS NULL;

-- The same message to each channel.
CREATE TABLE rota_deliveries (
  notice_id {uuid} NOT NULL,
  channel text NOT NULL,
  -- of the notice: a test does not wait for what is before it
  kind text NOT NULL,
  -- pending, sent, failed, dropped
  state text NOT NULL,
  -- 1: told in a summary with others
  folded bigint NOT NULL,
  attempts bigint NOT NULL,
  error text,
  created_at bigint NOT NULL,
  sent_at bigint,
  PRIMARY KEY (notice_id, channel)
);
CREATE INDEX rota_deliveries_pending ON rota_deliveries (channel, notice_id) WHERE state = 'pending';
CREATE INDEX rota_deliveries_tests ON rota_deliveries (channel, notice_id) WHERE state = 'pending' AND kind = 'test';
CREATE INDEX rota_deliveries_sent ON rota_deliveries (channel, sent_at) WHERE state = 'sent' AND folded = 0;

-- Channels that the settings of some process name.  Their addresses are secrets, and stay in the settings.
CREATE TABLE rota_channels (
  name text PRIMARY KEY,
  kind text NOT NULL,
  -- the severity from which on it is told: warning or error
  least text NOT NULL,
  -- when a process that knows its address said so last
  seen_at bigint NOT NULL,
  -- who sends at the moment, and until when others leave it alone
  busy_by text,
  busy_until bigint,
  -- not tried before, after a failure
  next_at bigint NOT NULL,
  sent_at bigint,
  failing_since bigint,
  failures bigint NOT NULL,
  error text
);
