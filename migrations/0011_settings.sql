-- What is looked after by pages instead of psql: accounts, branches, patients, rates. And what the log keeps of it.

-- The chain is never left without somebody who may do everything, whoever writes.
CREATE FUNCTION users_keep_a_super_admin() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    -- Two who remove one another in the same moment: the second waits for the first, and then counts.
    PERFORM pg_advisory_xact_lock(hashtextextended('users_last_super_admin', 0));
    IF NOT EXISTS (SELECT FROM users WHERE role = 'super_admin' AND is_active) THEN
        RAISE EXCEPTION 'the last active super admin stays'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'users_last_super_admin', TABLE = 'users';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER keep_a_super_admin AFTER DELETE OR UPDATE OF role, is_active ON users
    FOR EACH ROW WHEN (OLD.role = 'super_admin' AND OLD.is_active) EXECUTE FUNCTION users_keep_a_super_admin();

-- A branch keeps the code that its sales are numbered by: another branch must never get it.
CREATE FUNCTION branches_keep_their_code() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM penjualans WHERE branch_id = NEW.id) THEN
        RAISE EXCEPTION 'the code of a branch stays once it has sold'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'branches_code_stays', TABLE = 'branches';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER keep_code AFTER UPDATE OF kode ON branches
    FOR EACH ROW WHEN (NEW.kode <> OLD.kode) EXECUTE FUNCTION branches_keep_their_code();

-- The log learns new words, beside those it knows by now.
DO $$
DECLARE
    known text := (SELECT pg_get_expr(conbin, conrelid) FROM pg_constraint
                   WHERE conrelid = 'audit_log'::regclass AND conname = 'audit_log_action_check');
BEGIN
    EXECUTE format('ALTER TABLE audit_log DROP CONSTRAINT audit_log_action_check,
                                          ADD CONSTRAINT audit_log_action_check CHECK ((%s) OR action IN (%L, %L, %L))',
                   known, 'branch_added', 'branch_changed', 'patient_changed');
END $$;

CREATE FUNCTION audit_branch() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    was jsonb := CASE WHEN TG_OP <> 'INSERT' THEN jsonb_build_object('name', OLD.name, 'kode', OLD.kode, 'timezone', OLD.timezone) END;
    is_ jsonb := jsonb_build_object('name', NEW.name, 'kode', NEW.kode, 'timezone', NEW.timezone);
BEGIN
    IF is_ IS DISTINCT FROM was THEN
        PERFORM audit(CASE TG_OP WHEN 'INSERT' THEN 'branch_added' ELSE 'branch_changed' END, NEW.id, NEW.name, was, is_);
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER audit AFTER INSERT OR UPDATE OF name, kode, timezone ON branches FOR EACH ROW EXECUTE FUNCTION audit_branch();

-- Who pays for a patient, and what their glasses are made by. No name, no telephone number: the log needs neither.
CREATE FUNCTION audit_patient() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    kept text := '^(service_type|no_bpjs|o[ds]_.*|pd)$';
    was jsonb := (SELECT jsonb_object_agg(key, value) FROM jsonb_each(to_jsonb(OLD)) WHERE key ~ kept);
    is_ jsonb := (SELECT jsonb_object_agg(key, value) FROM jsonb_each(to_jsonb(NEW)) WHERE key ~ kept);
BEGIN
    IF is_ IS DISTINCT FROM was THEN
        PERFORM audit('patient_changed', NEW.branch_id, 'Pasien:' || NEW.id, was, is_);
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER audit AFTER UPDATE ON pasiens FOR EACH ROW EXECUTE FUNCTION audit_patient();

-- The list of patients, page by page.
CREATE INDEX pasiens_by_branch ON pasiens (branch_id, lower(nama_pasien), id);
