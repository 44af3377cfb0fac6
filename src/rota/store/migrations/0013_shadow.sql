-- Schedules that only observe, 1 or 0: their instants are accounted for, and make no job.
ALTER TABLE rota_schedules ADD COLUMN shadow bigint NOT NULL DEFAULT 0;
