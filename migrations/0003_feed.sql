-- The change feed. Every watched table has updated_at (the order, and the row's version: strictly rising per row) and
-- updated_xid (the transaction that wrote it: what the feed compares, because a clock cannot say what has committed).
-- One trigger sets both, whoever writes. Deletes, and rows that leave a branch, leave a tombstone in feed_gone.
-- Why it is so, and what was turned down: ARCHITECTURE.md, "The change feed".

CREATE TABLE feed_gone (
    seq         bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tbl         text        NOT NULL,
    row_id      bigint      NOT NULL,
    branch_id   bigint,
    updated_at  timestamptz NOT NULL,
    updated_xid xid8        NOT NULL DEFAULT pg_current_xact_id(),
    body        jsonb                                     -- the row as it was, where a stream needs it
);
CREATE INDEX feed_gone_xid ON feed_gone (updated_xid);

CREATE TABLE feed_meta (
    one          boolean PRIMARY KEY DEFAULT true CHECK (one),
    pruned_below xid8    NOT NULL DEFAULT '0'             -- tombstones of older transactions are gone
);
INSERT INTO feed_meta DEFAULT VALUES;

-- One row a start of Postgres that a feed has seen. A cursor names its epoch; one of a future that was undone (a backup
-- restored, a failover that lost commits) has an unknown epoch, or lies beyond the first transaction of the next one.
CREATE TABLE feed_epochs (
    seq                   bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    epoch                 bigint      NOT NULL UNIQUE CHECK (epoch > 0),
    postmaster_started_at timestamptz NOT NULL,
    system_identifier     bigint      NOT NULL,
    first_xid             xid8        NOT NULL,
    created_at            timestamptz NOT NULL DEFAULT clock_timestamp(),
    UNIQUE (system_identifier, postmaster_started_at)
);

CREATE FUNCTION feed_stamp() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    -- inside a savepoint this is still the top-level transaction, which is what a snapshot speaks of
    NEW.updated_xid := pg_current_xact_id();
    IF TG_OP = 'UPDATE' THEN
        NEW.updated_at := greatest(clock_timestamp(), OLD.updated_at + interval '1 microsecond');
        IF NEW.branch_id IS DISTINCT FROM OLD.branch_id OR NEW.id <> OLD.id THEN
            INSERT INTO feed_gone (tbl, row_id, branch_id, updated_at, body)
            VALUES (TG_TABLE_NAME, OLD.id, OLD.branch_id, NEW.updated_at,
                    CASE WHEN TG_TABLE_NAME IN ('frames', 'lensas', 'aksesoris') THEN to_jsonb(OLD) END);
        END IF;
    ELSE
        NEW.updated_at := clock_timestamp();
    END IF;
    RETURN NEW;
END $$;

CREATE FUNCTION feed_bury() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO feed_gone (tbl, row_id, branch_id, updated_at, body)
    SELECT TG_TABLE_NAME, id, branch_id, greatest(clock_timestamp(), updated_at + interval '1 microsecond'),
           CASE WHEN TG_TABLE_NAME IN ('frames', 'lensas', 'aksesoris') THEN to_jsonb(o) END
    FROM o;
    RETURN NULL;
END $$;

CREATE FUNCTION feed_refuse_truncate() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'TRUNCATE % would go unseen by the screens: use DELETE', TG_TABLE_NAME;
END $$;

-- A branch is its own branch; it cannot move, so it needs no tombstone but for its deletion.
CREATE FUNCTION feed_stamp_branch() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.updated_xid := pg_current_xact_id();
    NEW.updated_at := CASE WHEN TG_OP = 'UPDATE' THEN greatest(clock_timestamp(), OLD.updated_at + interval '1 microsecond')
                           ELSE clock_timestamp() END;
    IF TG_OP = 'UPDATE' AND NEW.id <> OLD.id THEN
        RAISE EXCEPTION 'a branch keeps its id';
    END IF;
    RETURN NEW;
END $$;
CREATE FUNCTION feed_bury_branch() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO feed_gone (tbl, row_id, branch_id, updated_at)
    SELECT 'branches', id, id, greatest(clock_timestamp(), updated_at + interval '1 microsecond') FROM o;
    RETURN NULL;
END $$;

DO $$
DECLARE
    t     text;
    twin  text;
BEGIN
    FOREACH t IN ARRAY ARRAY['branches', 'users', 'pasiens', 'frames', 'lensas', 'aksesoris', 'open_days', 'penjualans', 'notifications'] LOOP
        twin := CASE t WHEN 'branches' THEN '_branch' ELSE '' END;
        EXECUTE format('ALTER TABLE %I ADD updated_at timestamptz NOT NULL DEFAULT now(), ADD updated_xid xid8 NOT NULL DEFAULT pg_current_xact_id()', t);
        -- room on each page for the new version of a row; hot tables are vacuumed early, for their indexes' sake
        EXECUTE format('ALTER TABLE %I SET (fillfactor = 85, autovacuum_vacuum_scale_factor = 0.02, autovacuum_analyze_scale_factor = 0.05)', t);
        EXECUTE format('CREATE INDEX %I ON %I (updated_xid)', t || '_xid', t);
        EXECUTE format('CREATE TRIGGER zz_feed_stamp BEFORE INSERT OR UPDATE ON %I FOR EACH ROW EXECUTE FUNCTION feed_stamp%s()', t, twin);
        CONTINUE WHEN t = 'notifications';
        EXECUTE format('CREATE TRIGGER zz_feed_bury AFTER DELETE ON %I REFERENCING OLD TABLE AS o FOR EACH STATEMENT EXECUTE FUNCTION feed_bury%s()', t, twin);
    END LOOP;
    FOREACH t IN ARRAY ARRAY['branches', 'users', 'pasiens', 'frames', 'lensas', 'aksesoris', 'open_days', 'penjualans', 'notifications'] LOOP
        EXECUTE format('CREATE TRIGGER zz_feed_truncate BEFORE TRUNCATE ON %I FOR EACH STATEMENT EXECUTE FUNCTION feed_refuse_truncate()', t);
    END LOOP;
END $$;

-- Notifications are a log: each row is told once. Old ones are deleted by age, which nobody needs to hear of.
CREATE FUNCTION notifications_stay() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'a notification is told once and not changed: write a new one';
END $$;
CREATE TRIGGER stay BEFORE UPDATE ON notifications FOR EACH ROW EXECUTE FUNCTION notifications_stay();

-- The products view again, now with the version that the stock stream compares.
CREATE OR REPLACE VIEW products AS
SELECT 'Frame' AS product_type, id AS product_id, branch_id, kode_frame AS kode, merk_frame || ' - ' || jenis_frame AS product_name,
       harga_jual_frame AS price, stok, stok_minimum, alert_level, false AS is_custom_order, jenis_frame AS service_type, updated_at
FROM frames
UNION ALL
SELECT 'Lensa', id, branch_id, kode_lensa, merk_lensa || ' - ' || type,
       harga_jual_lensa, stok, stok_minimum, alert_level, is_custom_order, NULL, updated_at
FROM lensas
UNION ALL
SELECT 'Aksesoris', id, branch_id, kode, nama_produk,
       harga_jual, stok, stok_minimum, alert_level, false, NULL, updated_at
FROM aksesoris;

-- A session that ends (signed out, expired, ended elsewhere) ends its streams: row_id is the user.
CREATE FUNCTION session_gone() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO feed_gone (tbl, row_id, updated_at)
    SELECT DISTINCT 'sessions', user_id, clock_timestamp() FROM o WHERE user_id IS NOT NULL;
    RETURN NULL;
END $$;
CREATE TRIGGER zz_session_gone AFTER DELETE ON sessions REFERENCING OLD TABLE AS o FOR EACH STATEMENT EXECUTE FUNCTION session_gone();
ALTER TABLE feed_gone SET (autovacuum_vacuum_scale_factor = 0.02);

-- A sale as the streams list it: date and time are the branch's own.
CREATE FUNCTION latest_sale(p penjualans, zone text) RETURNS jsonb LANGUAGE sql STABLE AS $$
    SELECT jsonb_build_object(
        'id', p.id, 'no_transaksi', p.kode_penjualan, 'nama_pasien', s.nama_pasien, 'service_type', s.service_type,
        'total', p.total, 'status', p.status_pengerjaan,
        'tanggal', to_char(p.created_at AT TIME ZONE zone, 'DD/MM/YYYY'), 'waktu', to_char(p.created_at AT TIME ZONE zone, 'HH24:MI'),
        'at', (extract(epoch FROM p.created_at) * 1000000)::bigint)
    FROM pasiens s WHERE s.id = p.pasien_id
$$;
