-- Each start of a job wrote an entry that its end wrote anew: on PostgreSQL a tenth of what a job costs there.  Lists of a
-- type go through what runs besides, which is little.  SQLite writes to an index only what has changed.
{pg|DROP INDEX rota_jobs_type;
CREATE INDEX rota_jobs_type ON rota_jobs (type, id) WHERE status <> 'running';}
