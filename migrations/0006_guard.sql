-- Who may still come in, and who did what.

ALTER TABLE users
    ADD must_change_password boolean     NOT NULL DEFAULT false,                    -- somebody else knows it
    ADD rights_changed_at    timestamptz NOT NULL DEFAULT clock_timestamp();        -- sessions older than this get a new id
ALTER TABLE sessions ADD created_at timestamptz NOT NULL DEFAULT clock_timestamp(); -- of the id

CREATE FUNCTION user_rights_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.rights_changed_at := clock_timestamp();
    RETURN NEW;
END $$;
CREATE TRIGGER rights_changed BEFORE UPDATE OF role, branch_id ON users
    FOR EACH ROW WHEN (NEW.role <> OLD.role OR NEW.branch_id IS DISTINCT FROM OLD.branch_id)
    EXECUTE FUNCTION user_rights_changed();

-- A new password, or none that counts any more: whoever came in by the old one is out, whoever writes this.
CREATE FUNCTION user_locked_out() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM sessions WHERE user_id = NEW.id;
    RETURN NULL;
END $$;
CREATE TRIGGER locked_out AFTER UPDATE OF password, is_active ON users
    FOR EACH ROW WHEN (NEW.password <> OLD.password OR NOT NEW.is_active) EXECUTE FUNCTION user_locked_out();

-- How often somebody tried to sign in: an account, from wherever, and an address, for whomever. In the database, so that
-- neither a restart nor a second process starts the count afresh.
CREATE TABLE sign_in_limits (
    key           text        PRIMARY KEY,
    tries         integer     NOT NULL,                     -- in a row, and not yet forgiven
    last_at       timestamptz NOT NULL,
    blocked_until timestamptz NOT NULL
);
CREATE INDEX sign_in_limits_by_age ON sign_in_limits (last_at);

-- The log: who, when, from where, what it was before and what after. Rows stay as they are, for ever.
CREATE TABLE audit_log (
    id        bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at        timestamptz NOT NULL DEFAULT clock_timestamp(),
    action    text        NOT NULL CHECK (action IN ('sign_in', 'sign_in_failed', 'sign_out', 'sessions_ended',
                              'password_changed', 'user_added', 'user_changed', 'user_removed', 'price_changed',
                              'stock_corrected', 'announced')),
    actor_id  bigint,                                       -- no reference: the log outlives the account
    address   inet,                                         -- null: not by a page (psql, another program)
    branch_id bigint,
    subject   text        NOT NULL DEFAULT '',              -- what it was done to: Frame:12, an account's address
    before    jsonb,
    after     jsonb
);
CREATE INDEX audit_log_of_action ON audit_log (action, id DESC);
CREATE INDEX audit_log_of_actor  ON audit_log (actor_id, action, id DESC);

CREATE FUNCTION audit_log_stays() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'audit_log is append-only';
END $$;
CREATE TRIGGER stay BEFORE UPDATE OR DELETE ON audit_log FOR EACH ROW EXECUTE FUNCTION audit_log_stays();
CREATE TRIGGER stay_whole BEFORE TRUNCATE ON audit_log FOR EACH STATEMENT EXECUTE FUNCTION audit_log_stays();

-- One more setting that a writer may give for its transaction: melati.address, where the one of melati.user_id is.
CREATE FUNCTION audit(action text, branch bigint, subject text, before jsonb, after jsonb) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    IF melati_setting('import') IS DISTINCT FROM 'on' THEN
        INSERT INTO audit_log (action, actor_id, address, branch_id, subject, before, after)
        VALUES (action, melati_setting('user_id')::bigint, melati_setting('address')::inet, branch, subject, before, after);
    END IF;
END $$;

-- In triggers, like all that must be true whoever writes.
CREATE FUNCTION audit_user() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    was jsonb := CASE WHEN TG_OP <> 'INSERT' THEN jsonb_build_object('name', OLD.name, 'email', OLD.email, 'role', OLD.role,
                     'branch_id', OLD.branch_id, 'is_active', OLD.is_active) END;
    is_ jsonb := CASE WHEN TG_OP <> 'DELETE' THEN jsonb_build_object('name', NEW.name, 'email', NEW.email, 'role', NEW.role,
                     'branch_id', NEW.branch_id, 'is_active', NEW.is_active) END;
BEGIN
    IF TG_OP = 'DELETE' THEN
        PERFORM audit('user_removed', OLD.branch_id, OLD.email, was, NULL);
        RETURN NULL;
    END IF;
    IF is_ IS DISTINCT FROM was THEN
        PERFORM audit(CASE TG_OP WHEN 'INSERT' THEN 'user_added' ELSE 'user_changed' END, NEW.branch_id, NEW.email, was, is_);
    END IF;
    IF TG_OP = 'UPDATE' AND NEW.password <> OLD.password THEN
        -- that it changed, and nothing of either
        PERFORM audit('password_changed', NEW.branch_id, NEW.email, NULL, NULL);
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER audit AFTER INSERT OR UPDATE OR DELETE ON users FOR EACH ROW EXECUTE FUNCTION audit_user();

-- TG_ARGV[0] is the product type. Only what concerns money is kept of the row.
CREATE FUNCTION audit_price() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    was jsonb := (SELECT jsonb_object_agg(key, value) FROM jsonb_each(to_jsonb(OLD)) WHERE key LIKE 'harga%');
    is_ jsonb := (SELECT jsonb_object_agg(key, value) FROM jsonb_each(to_jsonb(NEW)) WHERE key LIKE 'harga%');
BEGIN
    PERFORM audit('price_changed', NEW.branch_id, TG_ARGV[0] || ':' || NEW.id, was, is_);
    RETURN NULL;
END $$;
CREATE TRIGGER audit_price AFTER UPDATE OF harga_jual_frame, harga_beli_frame ON frames FOR EACH ROW
    WHEN (NEW.harga_jual_frame <> OLD.harga_jual_frame OR NEW.harga_beli_frame <> OLD.harga_beli_frame)
    EXECUTE FUNCTION audit_price('Frame');
CREATE TRIGGER audit_price AFTER UPDATE OF harga_jual_lensa, harga_beli_lensa ON lensas FOR EACH ROW
    WHEN (NEW.harga_jual_lensa <> OLD.harga_jual_lensa OR NEW.harga_beli_lensa <> OLD.harga_beli_lensa)
    EXECUTE FUNCTION audit_price('Lensa');
CREATE TRIGGER audit_price AFTER UPDATE OF harga_jual, harga_beli ON aksesoris FOR EACH ROW
    WHEN (NEW.harga_jual <> OLD.harga_jual OR NEW.harga_beli <> OLD.harga_beli)
    EXECUTE FUNCTION audit_price('Aksesoris');

CREATE FUNCTION audit_rate() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM audit('price_changed', NULL, coalesce(NEW.service_type, OLD.service_type),
        CASE WHEN TG_OP <> 'INSERT' THEN jsonb_build_object('price', OLD.price, 'effective_from', OLD.effective_from) END,
        CASE WHEN TG_OP <> 'DELETE' THEN jsonb_build_object('price', NEW.price, 'effective_from', NEW.effective_from) END);
    RETURN NULL;
END $$;
CREATE TRIGGER audit AFTER INSERT OR UPDATE OR DELETE ON bpjs_rates FOR EACH ROW EXECUTE FUNCTION audit_rate();

CREATE FUNCTION audit_correction() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM audit('stock_corrected', NEW.branch_id, NEW.product_type || ':' || NEW.product_id,
        jsonb_build_object('stok', NEW.stok_after - NEW.delta),
        jsonb_build_object('stok', NEW.stok_after, 'catatan', NEW.catatan));
    RETURN NULL;
END $$;
CREATE TRIGGER audit AFTER INSERT ON stock_movements FOR EACH ROW WHEN (NEW.reason = 'koreksi') EXECUTE FUNCTION audit_correction();

CREATE FUNCTION audit_announcement() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM audit('announced', NEW.branch_id, NEW.title, NULL, jsonb_build_object('message', NEW.message, 'audience', NEW.audience));
    RETURN NULL;
END $$;
CREATE TRIGGER audit AFTER INSERT ON notifications FOR EACH ROW WHEN (NEW.type = 'announcement') EXECUTE FUNCTION audit_announcement();
