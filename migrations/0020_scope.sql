-- The scope, backed by the schema: what belongs together is of one branch, whoever writes. The pages ask `src/scope.rs`; this
-- is for what they forget, and for psql and other programs.
--
-- Foreign keys where a row has one place for good; triggers where it had one at that moment: people and goods move to other
-- branches, and what they did before stays where it was done. History that is being loaded (melati.import) was true once.
--
-- Row level security was turned down: every statement here already says whose rows it means, the poller and head office read
-- all of them, and a second rule in other words beside scope.rs would be a second truth.

-- A sale is to a patient of its own branch. Who moves a patient that has sales leaves them without one: refused.
ALTER TABLE pasiens ADD CONSTRAINT pasiens_of_branch UNIQUE (id, branch_id);
ALTER TABLE penjualans ADD CONSTRAINT penjualans_patient_of_branch
    FOREIGN KEY (pasien_id, branch_id) REFERENCES pasiens (id, branch_id) NOT VALID;
DO $$
BEGIN
    ALTER TABLE penjualans VALIDATE CONSTRAINT penjualans_patient_of_branch;
    -- it says the same, and less
    ALTER TABLE penjualans DROP CONSTRAINT penjualans_pasien_id_fkey;
EXCEPTION WHEN foreign_key_violation THEN
    -- somebody wrote such a sale by hand; it stays as it is, and no other joins it
    RAISE WARNING 'there are sales to patients of another branch: SELECT p.id FROM penjualans p JOIN pasiens s ON s.id = p.pasien_id WHERE s.branch_id <> p.branch_id';
END $$;

CREATE FUNCTION refuse_other_branch(tbl text, what text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '%: % is of another branch', tbl, what
        USING ERRCODE = 'check_violation', CONSTRAINT = 'of_one_branch', TABLE = tbl;
END $$;

-- Who did something works where it was done, or in the head office. TG_ARGV: the column that says who, then those that say
-- where (any of them will do); 'penjualan_id' means the branch of that sale.
CREATE FUNCTION only_colleagues() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    is_   jsonb    := to_jsonb(NEW);
    was   jsonb    := CASE WHEN TG_OP = 'UPDATE' THEN to_jsonb(OLD) END;
    who   bigint   := is_ ->> TG_ARGV[0];
    place text;
    home  bigint;
    known boolean  := TG_OP = 'UPDATE' AND was ->> TG_ARGV[0] IS NOT DISTINCT FROM is_ ->> TG_ARGV[0];
BEGIN
    IF melati_setting('import') = 'on' THEN
        RETURN NEW;
    END IF;
    SELECT branch_id INTO home FROM users WHERE id = who;
    FOREACH place IN ARRAY TG_ARGV[1:] LOOP
        known := known AND was ->> place IS NOT DISTINCT FROM is_ ->> place;
        IF home IS NULL OR home = (CASE place
               WHEN 'penjualan_id' THEN (SELECT branch_id FROM penjualans WHERE id = (is_ ->> 'penjualan_id')::bigint)
               ELSE (is_ ->> place)::bigint END) THEN
            RETURN NEW;
        END IF;
    END LOOP;
    -- what somebody did before they moved is theirs still
    IF NOT known THEN
        PERFORM refuse_other_branch(TG_TABLE_NAME, 'user ' || who);
    END IF;
    RETURN NEW;
END $$;

DO $$
DECLARE
    w record;
BEGIN
    FOR w IN SELECT * FROM (VALUES
            ('penjualans', 'user_id', 'branch_id', ''), ('penjualans', 'dibatalkan_oleh', 'branch_id', ''),
            ('pembayarans', 'user_id', 'penjualan_id', ''),
            ('open_days', 'opened_by', 'branch_id', ''), ('open_days', 'closed_by', 'branch_id', ''),
            ('stock_imports', 'user_id', 'branch_id', ''),
            ('stock_opnames', 'started_by', 'branch_id', ''), ('stock_opnames', 'ended_by', 'branch_id', ''),
            ('stock_alerts', 'acked_by', 'branch_id', ''), ('stock_alerts', 'snoozed_by', 'branch_id', ''),
            ('stock_transfers', 'created_by', 'from_branch', ''), ('stock_transfers', 'sent_by', 'from_branch', ''),
            ('stock_transfers', 'ended_by', 'from_branch', 'to_branch'),
            ('notifications', 'author_id', 'branch_id', '')) v (tbl, who, place, other) LOOP
        EXECUTE format('CREATE TRIGGER %I BEFORE INSERT OR UPDATE OF %I, %I ON %I FOR EACH ROW WHEN (NEW.%I IS NOT NULL) EXECUTE FUNCTION only_colleagues(%s)',
            'of_one_branch_' || w.who, w.who, w.place, w.tbl, w.who,
            (SELECT string_agg(quote_literal(a), ', ') FROM unnest(ARRAY[w.who, w.place, nullif(w.other, '')]) a WHERE a IS NOT NULL));
    END LOOP;
END $$;

CREATE FUNCTION product_branch(kind text, id bigint) RETURNS bigint LANGUAGE sql STABLE AS $$
    SELECT CASE kind WHEN 'Frame' THEN (SELECT f.branch_id FROM frames f WHERE f.id = product_branch.id)
                     WHEN 'Lensa' THEN (SELECT l.branch_id FROM lensas l WHERE l.id = product_branch.id)
                     ELSE (SELECT a.branch_id FROM aksesoris a WHERE a.id = product_branch.id) END
$$;

-- What is sold, counted or sent lies on the shelf of the branch that does so; what is received, of the one that receives.
CREATE FUNCTION only_own_products() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    kind  text;
    place bigint;
BEGIN
    IF melati_setting('import') = 'on' THEN
        RETURN NEW;
    ELSIF TG_TABLE_NAME = 'penjualan_details' THEN
        kind := NEW.product_type;
        place := (SELECT branch_id FROM penjualans WHERE id = NEW.penjualan_id);
    ELSIF TG_TABLE_NAME = 'stock_transfer_lines' THEN
        kind := NEW.product_type;
        place := (SELECT from_branch FROM stock_transfers WHERE id = NEW.transfer_id);
        IF NEW.received_id IS NOT NULL AND product_branch(kind, NEW.received_id)
           IS DISTINCT FROM (SELECT to_branch FROM stock_transfers WHERE id = NEW.transfer_id) THEN
            PERFORM refuse_other_branch(TG_TABLE_NAME, kind || ':' || NEW.received_id);
        END IF;
        -- the sender's may be gone by the time it arrives
        IF TG_OP = 'UPDATE' AND NEW.product_id = OLD.product_id THEN
            RETURN NEW;
        END IF;
    ELSE
        SELECT branch_id, product_type INTO place, kind FROM stock_opnames WHERE id = NEW.opname_id;
    END IF;
    IF product_branch(kind, NEW.product_id) IS DISTINCT FROM place THEN
        PERFORM refuse_other_branch(TG_TABLE_NAME, kind || ':' || NEW.product_id);
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER of_one_branch BEFORE INSERT OR UPDATE OF product_type, product_id, penjualan_id ON penjualan_details
    FOR EACH ROW EXECUTE FUNCTION only_own_products();
CREATE TRIGGER of_one_branch BEFORE INSERT OR UPDATE OF product_type, product_id, received_id ON stock_transfer_lines
    FOR EACH ROW EXECUTE FUNCTION only_own_products();
CREATE TRIGGER of_one_branch BEFORE INSERT OR UPDATE OF product_id, opname_id ON stock_opname_counts
    FOR EACH ROW EXECUTE FUNCTION only_own_products();
CREATE TRIGGER of_one_branch BEFORE INSERT OR UPDATE OF product_id, opname_id ON stock_opname_scans
    FOR EACH ROW EXECUTE FUNCTION only_own_products();

-- Nobody has read what was told to another branch.
CREATE FUNCTION only_own_notices() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM n JOIN users u ON u.id = n.user_id JOIN notifications m ON m.id = n.notification_id
               WHERE m.branch_id <> u.branch_id) THEN
        PERFORM refuse_other_branch('notification_reads', 'a notification');
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER of_one_branch AFTER INSERT ON notification_reads REFERENCING NEW TABLE AS n
    FOR EACH STATEMENT EXECUTE FUNCTION only_own_notices();
