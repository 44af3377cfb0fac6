-- From which address a change came.
ALTER TABLE rota_audit ADD COLUMN client text;

-- Entries are added, never changed, and deleted only when they are older than rota_meta says: retention moves that on.
{lite|
CREATE TRIGGER rota_audit_unchanged BEFORE UPDATE ON rota_audit
BEGIN
  SELECT RAISE(ABORT, 'rota_audit is only added to');
END;
CREATE TRIGGER rota_audit_undeleted BEFORE DELETE ON rota_audit
WHEN old.at >= coalesce((SELECT CAST(value AS integer) FROM rota_meta WHERE key = 'audit_from'), 0)
BEGIN
  SELECT RAISE(ABORT, 'rota_audit is only added to');
END;
}
{pg|
CREATE FUNCTION rota_audit_keep() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF tg_op = 'DELETE' THEN
    IF old.at < coalesce((SELECT value::bigint FROM rota_meta WHERE key = 'audit_from'), 0) THEN
      RETURN old;
    END IF;
  END IF;
  RAISE EXCEPTION 'rota_audit is only added to' USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER rota_audit_unchanged BEFORE UPDATE OR DELETE ON rota_audit
  FOR EACH ROW EXECUTE FUNCTION rota_audit_keep();
CREATE TRIGGER rota_audit_untruncated BEFORE TRUNCATE ON rota_audit
  FOR EACH STATEMENT EXECUTE FUNCTION rota_audit_keep();
}
