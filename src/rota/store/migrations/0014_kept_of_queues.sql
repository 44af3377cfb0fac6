-- Which jobs of a queue ended last: a queue may bound how many of them are kept.  The condition keeps the planner from
-- taking it for lists, which have indexes in their own order.
CREATE INDEX rota_jobs_kept ON rota_jobs (queue, status, completed_at) WHERE completed_at IS NOT NULL;
