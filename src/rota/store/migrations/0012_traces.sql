-- Where the trace of who enqueued a job is to be found: a W3C traceparent, null for those who trace nothing.
ALTER TABLE rota_jobs ADD COLUMN trace text;
