-- Where a branch is, as its receipts say; and what it means that one is closed for good.

ALTER TABLE branches
    ADD alamat     text NOT NULL DEFAULT '' CONSTRAINT branches_alamat_fits CHECK (char_length(alamat) <= 200),
    ADD telepon    text NOT NULL DEFAULT '' CONSTRAINT branches_telepon_fits CHECK (char_length(telepon) <= 40),
    -- Its history stays, and nothing new begins there. Taking it back is setting it to null.
    ADD retired_at timestamptz;

-- Whoever writes: no day is opened, nothing is sold and nobody works in a branch that is closed for good. A key-share lock,
-- which the foreign key takes anyway: it waits for whoever is just closing the branch (FOR UPDATE), and then sees that.
CREATE FUNCTION branch_is_not_retired() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    branch bigint := CASE TG_TABLE_NAME WHEN 'stock_transfers' THEN (to_jsonb(NEW) ->> 'to_branch') ELSE (to_jsonb(NEW) ->> 'branch_id') END;
    retired timestamptz;
BEGIN
    SELECT retired_at INTO retired FROM branches WHERE id = branch FOR KEY SHARE;
    IF retired IS NOT NULL THEN
        RAISE EXCEPTION 'branch % is closed for good since %', branch, retired
            USING ERRCODE = 'check_violation', CONSTRAINT = 'branch_is_retired', TABLE = TG_TABLE_NAME;
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER branch_stands BEFORE INSERT ON penjualans FOR EACH ROW EXECUTE FUNCTION branch_is_not_retired();
CREATE TRIGGER branch_stands BEFORE INSERT OR UPDATE OF is_open ON open_days
    FOR EACH ROW WHEN (NEW.is_open) EXECUTE FUNCTION branch_is_not_retired();
CREATE TRIGGER branch_stands BEFORE INSERT OR UPDATE OF branch_id, is_active ON users
    FOR EACH ROW WHEN (NEW.is_active AND NEW.branch_id IS NOT NULL) EXECUTE FUNCTION branch_is_not_retired();
CREATE TRIGGER branch_stands BEFORE INSERT OR UPDATE OF to_branch ON stock_transfers
    FOR EACH ROW EXECUTE FUNCTION branch_is_not_retired();

-- What runs low where nobody works any more is nobody's concern.
CREATE OR REPLACE FUNCTION stock_totals(branch bigint) RETURNS jsonb LANGUAGE sql STABLE AS $$
    SELECT jsonb_build_object('low', count(*) FILTER (WHERE alert_level = 'low'), 'medium', count(*) FILTER (WHERE alert_level = 'medium'))
    FROM (SELECT alert_level FROM frames WHERE branch_id = branch AND alert_level <> 'normal'
          UNION ALL SELECT alert_level FROM lensas WHERE branch_id = branch AND alert_level <> 'normal'
          UNION ALL SELECT alert_level FROM aksesoris WHERE branch_id = branch AND alert_level <> 'normal') alerts
    WHERE NOT EXISTS (SELECT FROM branches WHERE id = branch AND retired_at IS NOT NULL)
$$;

CREATE OR REPLACE FUNCTION audit_branch() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    kept text := '^(name|kode|timezone|alamat|telepon|retired_at)$';
    was jsonb := CASE WHEN TG_OP <> 'INSERT' THEN (SELECT jsonb_object_agg(key, value) FROM jsonb_each(jsonb_strip_nulls(to_jsonb(OLD))) WHERE key ~ kept) END;
    is_ jsonb := (SELECT jsonb_object_agg(key, value) FROM jsonb_each(jsonb_strip_nulls(to_jsonb(NEW))) WHERE key ~ kept);
BEGIN
    IF is_ IS DISTINCT FROM was THEN
        PERFORM audit(CASE TG_OP WHEN 'INSERT' THEN 'branch_added' ELSE 'branch_changed' END, NEW.id, NEW.name, was, is_);
    END IF;
    RETURN NULL;
END $$;
DROP TRIGGER audit ON branches;
CREATE TRIGGER audit AFTER INSERT OR UPDATE OF name, kode, timezone, alamat, telepon, retired_at ON branches
    FOR EACH ROW EXECUTE FUNCTION audit_branch();
