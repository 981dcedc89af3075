-- Roll-ups: sums of sales, of goods sold and of goods moved, a branch and day, so that a report over a year reads thousands of
-- rows and not a million. They are true at every moment, in every snapshot, whoever writes, by this:
--
--   A transaction that changes what a day sums up to leaves a MARK of that day, in the same transaction (triggers). Whoever
--   reads takes days without a mark from the roll-up, and days with one from the sales themselves (rollup_dirty and the
--   functions *_rollup). Folding takes marks away and writes their days anew from the sales, in one transaction.
--
-- So a day's mark is seen exactly where its change is seen, and nobody waits for anybody: marks are only ever inserted, each
-- under its own transaction's number. Why it is exact, and what was turned down: docs/insight.md.

-- The class under which a sale was sold: what BPJS owes for. The patient's own may be another next year.
ALTER TABLE penjualans ADD service_type text;
-- History is not news: without this every sale of every year would be told to every screen.
ALTER TABLE penjualans DISABLE TRIGGER zz_feed_stamp;
UPDATE penjualans p SET service_type = s.service_type FROM pasiens s WHERE s.id = p.pasien_id;
ALTER TABLE penjualans ENABLE ALWAYS TRIGGER zz_feed_stamp;
ALTER TABLE penjualans ALTER service_type SET NOT NULL,
    ADD CONSTRAINT penjualans_service_type_check CHECK (service_type IN ('UMUM', 'BPJS I', 'BPJS II', 'BPJS III'));

CREATE FUNCTION sale_class() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.service_type := (SELECT service_type FROM pasiens WHERE id = NEW.pasien_id);
    RETURN NEW;
END $$;
CREATE TRIGGER sale_class BEFORE INSERT ON penjualans
    FOR EACH ROW WHEN (NEW.service_type IS NULL) EXECUTE FUNCTION sale_class();
ALTER TABLE penjualans ENABLE ALWAYS TRIGGER sale_class;      -- import tools, too: see below

-- What a day is read from while it has a mark, and some reports always.
DROP INDEX penjualans_of_branch;
CREATE INDEX penjualans_of_branch ON penjualans (branch_id, created_at DESC)
    INCLUDE (id, user_id, total, omset_bpjs, omset_umum, dibatalkan_at, service_type, transaction_status);
CREATE INDEX penjualans_cancelled      ON penjualans (branch_id, dibatalkan_at) WHERE dibatalkan_at IS NOT NULL;
CREATE INDEX stock_movements_of_branch ON stock_movements (branch_id, created_at);
CREATE INDEX pembayarans_by_time       ON pembayarans (created_at);
CREATE INDEX penjualans_owing          ON penjualans (branch_id, created_at) INCLUDE (id, kekurangan) WHERE kekurangan > 0;

-- ---- marks ----

-- 'sale': its day is that of its row, now. 'moment': of a branch. 'branch': all of its days.
-- `began` and `xid` make it the transaction's own: two never wait for one row, and one writes it once.
CREATE TABLE rollup_marks (
    began timestamptz NOT NULL DEFAULT now(),
    xid   xid8        NOT NULL DEFAULT pg_current_xact_id(),
    what  text        NOT NULL CHECK (what IN ('sale', 'moment', 'branch')),
    id    bigint      NOT NULL,                            -- the sale's, or the branch's
    at    timestamptz NOT NULL DEFAULT '-infinity',        -- of a moment
    PRIMARY KEY (began, xid, what, id, at)
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000, autovacuum_analyze_scale_factor = 0, autovacuum_analyze_threshold = 2000);

-- Whole quarters of an hour, so that an import leaves few; every zone's midnight falls on one.
CREATE FUNCTION rollup_mark_moment(branch bigint, moment timestamptz) RETURNS void LANGUAGE sql AS $$
    INSERT INTO rollup_marks (what, id, at) VALUES ('moment', branch, date_bin('15 minutes', moment, 'epoch')) ON CONFLICT DO NOTHING
$$;

-- A line is added while another program moves its sale to another day: neither sees the other. So a line marks its sale, which
-- says by itself where it is when the mark is read; and who moves a sale marks the place that it leaves.
CREATE FUNCTION rollup_sale_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' OR TG_OP = 'UPDATE' AND (NEW.id, NEW.branch_id, NEW.created_at) <> (OLD.id, OLD.branch_id, OLD.created_at) THEN
        PERFORM rollup_mark_moment(OLD.branch_id, OLD.created_at);
    END IF;
    IF TG_OP <> 'DELETE' THEN
        INSERT INTO rollup_marks (what, id) VALUES ('sale', NEW.id) ON CONFLICT DO NOTHING;
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER zz_rollup_written AFTER INSERT OR DELETE ON penjualans FOR EACH ROW EXECUTE FUNCTION rollup_sale_changed();
-- Not for what happens to a sale in its life: work, payments. They would read old days from the sales for nothing.
CREATE TRIGGER zz_rollup_changed AFTER UPDATE ON penjualans FOR EACH ROW
    WHEN ((NEW.id, NEW.branch_id, NEW.created_at, NEW.user_id, NEW.service_type, NEW.total, NEW.omset_bpjs, NEW.omset_umum, NEW.transaction_status, NEW.dibatalkan_at)
          IS DISTINCT FROM
          (OLD.id, OLD.branch_id, OLD.created_at, OLD.user_id, OLD.service_type, OLD.total, OLD.omset_bpjs, OLD.omset_umum, OLD.transaction_status, OLD.dibatalkan_at))
    EXECUTE FUNCTION rollup_sale_changed();

CREATE FUNCTION rollup_lines_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP <> 'DELETE' THEN
        INSERT INTO rollup_marks (what, id) SELECT DISTINCT 'sale', penjualan_id FROM n ON CONFLICT DO NOTHING;
    END IF;
    IF TG_OP <> 'INSERT' THEN
        INSERT INTO rollup_marks (what, id) SELECT DISTINCT 'sale', penjualan_id FROM o ON CONFLICT DO NOTHING;
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER zz_rollup_inserted AFTER INSERT ON penjualan_details REFERENCING NEW TABLE AS n FOR EACH STATEMENT EXECUTE FUNCTION rollup_lines_changed();
CREATE TRIGGER zz_rollup_deleted  AFTER DELETE ON penjualan_details REFERENCING OLD TABLE AS o FOR EACH STATEMENT EXECUTE FUNCTION rollup_lines_changed();
CREATE TRIGGER zz_rollup_updated  AFTER UPDATE ON penjualan_details REFERENCING OLD TABLE AS o NEW TABLE AS n
    FOR EACH STATEMENT EXECUTE FUNCTION rollup_lines_changed();

-- The ledger only grows (0002).
CREATE FUNCTION rollup_moved() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO rollup_marks (what, id, at)
    SELECT DISTINCT 'moment', branch_id, date_bin('15 minutes', created_at, 'epoch') FROM n ON CONFLICT DO NOTHING;
    RETURN NULL;
END $$;
CREATE TRIGGER zz_rollup_moved AFTER INSERT ON stock_movements REFERENCING NEW TABLE AS n FOR EACH STATEMENT EXECUTE FUNCTION rollup_moved();

-- With a branch's zone all of its days begin and end elsewhere, also that of a sale that is being written now.
CREATE FUNCTION rollup_zone_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO rollup_marks (what, id) VALUES ('branch', NEW.id) ON CONFLICT DO NOTHING;
    RETURN NULL;
END $$;
CREATE TRIGGER zz_rollup_zone AFTER UPDATE OF timezone ON branches FOR EACH ROW
    WHEN (NEW.timezone <> OLD.timezone) EXECUTE FUNCTION rollup_zone_changed();

CREATE FUNCTION rollup_refuse_truncate() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'TRUNCATE % would go unseen by the reports: use DELETE', TG_TABLE_NAME;
END $$;

DO $$
DECLARE
    t record;
BEGIN
    FOR t IN SELECT unnest(ARRAY['penjualan_details', 'stock_movements', 'rollup_marks']) AS tbl LOOP
        EXECUTE format('CREATE TRIGGER zz_rollup_truncate BEFORE TRUNCATE ON %I FOR EACH STATEMENT EXECUTE FUNCTION rollup_refuse_truncate()', t.tbl);
    END LOOP;
    -- Also for writers that set session_replication_role = replica, as logical replication and some import tools do.
    FOR t IN SELECT tgrelid::regclass AS tbl, tgname FROM pg_trigger WHERE tgname LIKE 'zz\_rollup\_%' LOOP
        EXECUTE format('ALTER TABLE %s ENABLE ALWAYS TRIGGER %I', t.tbl, t.tgname);
    END LOOP;
END $$;

-- One shape for the three kinds of product, with what it cost: for reports on stock.
CREATE VIEW product_costs AS
SELECT 'Frame' AS product_type, id AS product_id, branch_id, kode_frame AS kode, merk_frame || ' - ' || jenis_frame AS nama, stok,
       harga_beli_frame AS harga_beli, false AS is_custom_order, created_at
FROM frames
UNION ALL
SELECT 'Lensa', id, branch_id, kode_lensa, merk_lensa || ' - ' || type, stok, harga_beli_lensa, is_custom_order, created_at FROM lensas
UNION ALL
SELECT 'Aksesoris', id, branch_id, kode, nama_produk, stok, harga_beli, false, created_at FROM aksesoris;

-- ---- what a day sums up to: the one definition, for reading, folding and checking ----

-- By hour of the branch's clock ('jam', 0-23), by kasir ('kasir', users.id), by class ('kelas', 0 UMUM, 1-3 BPJS I-III): each of
-- them sums up all of the day's sales that stand.
CREATE FUNCTION sales_of_day(branch bigint, day date)
RETURNS TABLE (dimensi text, kunci bigint, jumlah bigint, total bigint, omset_bpjs bigint, omset_umum bigint, naik_kelas bigint)
LANGUAGE sql STABLE AS $$
    SELECT CASE WHEN grouping(s.jam) = 0 THEN 'jam' WHEN grouping(s.user_id) = 0 THEN 'kasir' ELSE 'kelas' END,
           coalesce(s.jam, s.user_id, s.kelas), count(*), sum(s.total)::bigint, sum(s.omset_bpjs)::bigint, sum(s.omset_umum)::bigint,
           count(*) FILTER (WHERE s.transaction_status = 'Naik Kelas')
    FROM (SELECT extract(hour FROM p.created_at AT TIME ZONE b.timezone)::bigint AS jam, p.user_id,
                 array_position(ARRAY['UMUM', 'BPJS I', 'BPJS II', 'BPJS III'], p.service_type)::bigint - 1 AS kelas,
                 p.total, p.omset_bpjs, p.omset_umum, p.transaction_status
          FROM branches b
          JOIN penjualans p ON p.branch_id = b.id AND p.created_at >= day::timestamp AT TIME ZONE b.timezone
                           AND p.created_at < (day + 1)::timestamp AT TIME ZONE b.timezone
          WHERE b.id = branch AND p.dibatalkan_at IS NULL) s
    GROUP BY GROUPING SETS ((s.jam), (s.user_id), (s.kelas))
$$;

-- Pieces, takings (whoever pays) and sales of each product.
CREATE FUNCTION products_of_day(branch bigint, day date)
RETURNS TABLE (product_type text, product_id bigint, jumlah bigint, subtotal bigint, kali bigint)
LANGUAGE sql STABLE AS $$
    SELECT d.product_type, d.product_id, sum(d.quantity)::bigint, sum(d.subtotal)::bigint, count(DISTINCT p.id)
    FROM branches b
    JOIN penjualans p ON p.branch_id = b.id AND p.created_at >= day::timestamp AT TIME ZONE b.timezone
                     AND p.created_at < (day + 1)::timestamp AT TIME ZONE b.timezone
    JOIN penjualan_details d ON d.penjualan_id = p.id
    WHERE b.id = branch AND p.dibatalkan_at IS NULL
    GROUP BY d.product_type, d.product_id
$$;

-- Pieces in, pieces out and movements, by kind of product and reason.
CREATE FUNCTION movements_of_day(branch bigint, day date)
RETURNS TABLE (product_type text, reason text, masuk bigint, keluar bigint, kali bigint)
LANGUAGE sql STABLE AS $$
    SELECT m.product_type, m.reason, coalesce(sum(m.delta) FILTER (WHERE m.delta > 0), 0)::bigint,
           coalesce(-sum(m.delta) FILTER (WHERE m.delta < 0), 0)::bigint, count(*)
    FROM branches b
    JOIN stock_movements m ON m.branch_id = b.id AND m.created_at >= day::timestamp AT TIME ZONE b.timezone
                          AND m.created_at < (day + 1)::timestamp AT TIME ZONE b.timezone
    WHERE b.id = branch
    GROUP BY m.product_type, m.reason
$$;

-- ---- the roll-ups ----

CREATE TABLE rollup_sales (
    branch_id  bigint NOT NULL,
    tanggal    date   NOT NULL,                -- the branch's own day
    dimensi    text   NOT NULL,
    kunci      bigint NOT NULL,
    jumlah     bigint NOT NULL,
    total      bigint NOT NULL,
    omset_bpjs bigint NOT NULL,
    omset_umum bigint NOT NULL,
    naik_kelas bigint NOT NULL,
    PRIMARY KEY (dimensi, branch_id, tanggal, kunci)
) WITH (fillfactor = 80);
CREATE INDEX rollup_sales_of_day ON rollup_sales (branch_id, tanggal);

CREATE TABLE rollup_products (
    branch_id    bigint NOT NULL,
    tanggal      date   NOT NULL,
    product_type text   NOT NULL,
    product_id   bigint NOT NULL,
    jumlah       bigint NOT NULL,
    subtotal     bigint NOT NULL,
    kali         bigint NOT NULL,
    PRIMARY KEY (branch_id, tanggal, product_type, product_id)
) WITH (fillfactor = 80);
CREATE INDEX rollup_products_of_product ON rollup_products (product_type, product_id, tanggal DESC) INCLUDE (branch_id);

-- Sums of rollup_products: most products are not sold daily, so over a year days would be as many rows as lines.
CREATE TABLE rollup_product_months (
    branch_id    bigint NOT NULL,
    bulan        date   NOT NULL,              -- its first day
    product_type text   NOT NULL,
    product_id   bigint NOT NULL,
    jumlah       bigint NOT NULL,
    subtotal     bigint NOT NULL,
    kali         bigint NOT NULL,
    PRIMARY KEY (branch_id, bulan, product_type, product_id)
) WITH (fillfactor = 80);

CREATE TABLE rollup_movements (
    branch_id    bigint NOT NULL,
    tanggal      date   NOT NULL,
    product_type text   NOT NULL,
    reason       text   NOT NULL,
    masuk        bigint NOT NULL,
    keluar       bigint NOT NULL,
    kali         bigint NOT NULL,
    PRIMARY KEY (branch_id, tanggal, product_type, reason)
) WITH (fillfactor = 80);

-- When all of it was last compared with the sales.
CREATE TABLE rollup_meta (
    one        boolean     PRIMARY KEY DEFAULT true CHECK (one),
    checked_at timestamptz NOT NULL DEFAULT now()
);
INSERT INTO rollup_meta DEFAULT VALUES;

-- ---- reading ----

-- Marks with the day that each speaks of, by its branch's zone. A branch's mark has '-infinity'. One whose sale or branch is
-- gone has no branch: what went with it has marked its own days.
CREATE VIEW rollup_marked AS
SELECT m.began, m.xid, m.what, m.id, m.at, b.id AS branch_id, (coalesce(p.created_at, m.at) AT TIME ZONE b.timezone)::date AS tanggal
FROM rollup_marks m
LEFT JOIN penjualans p ON m.what = 'sale' AND p.id = m.id
LEFT JOIN branches b ON b.id = CASE m.what WHEN 'sale' THEN p.branch_id ELSE m.id END;

-- Days with a mark, of one branch (null: all), from one date to another, both included.
CREATE FUNCTION rollup_dirty(scope bigint, since date, until date) RETURNS TABLE (branch_id bigint, tanggal date)
LANGUAGE sql STABLE AS $$
    SELECT m.branch_id, m.tanggal FROM rollup_marked m
    WHERE (scope IS NULL OR m.branch_id = scope) AND m.tanggal BETWEEN since AND until
    UNION
    SELECT m.id, since + n FROM rollup_marks m CROSS JOIN generate_series(0, until - since) n
    WHERE m.what = 'branch' AND (scope IS NULL OR m.id = scope)
$$;

CREATE FUNCTION sales_rollup(dimension text, scope bigint, since date, until date)
RETURNS TABLE (branch_id bigint, tanggal date, kunci bigint, jumlah bigint, total bigint, omset_bpjs bigint, omset_umum bigint, naik_kelas bigint)
LANGUAGE sql STABLE AS $$
    WITH dirty AS MATERIALIZED (SELECT * FROM rollup_dirty(scope, since, until))
    SELECT r.branch_id, r.tanggal, r.kunci, r.jumlah, r.total, r.omset_bpjs, r.omset_umum, r.naik_kelas
    FROM rollup_sales r
    WHERE r.dimensi = dimension AND r.branch_id = ANY (ARRAY(SELECT b.id FROM branches b WHERE scope IS NULL OR b.id = scope))
      AND r.tanggal BETWEEN since AND until AND (r.branch_id, r.tanggal) NOT IN (SELECT d.branch_id, d.tanggal FROM dirty d)
    UNION ALL
    SELECT d.branch_id, d.tanggal, s.kunci, s.jumlah, s.total, s.omset_bpjs, s.omset_umum, s.naik_kelas
    FROM dirty d CROSS JOIN LATERAL sales_of_day(d.branch_id, d.tanggal) s
    WHERE s.dimensi = dimension
$$;

CREATE FUNCTION movement_rollup(scope bigint, since date, until date)
RETURNS TABLE (branch_id bigint, tanggal date, product_type text, reason text, masuk bigint, keluar bigint, kali bigint)
LANGUAGE sql STABLE AS $$
    WITH dirty AS MATERIALIZED (SELECT * FROM rollup_dirty(scope, since, until))
    SELECT r.branch_id, r.tanggal, r.product_type, r.reason, r.masuk, r.keluar, r.kali
    FROM rollup_movements r
    WHERE r.branch_id = ANY (ARRAY(SELECT b.id FROM branches b WHERE scope IS NULL OR b.id = scope))
      AND r.tanggal BETWEEN since AND until AND (r.branch_id, r.tanggal) NOT IN (SELECT d.branch_id, d.tanggal FROM dirty d)
    UNION ALL
    SELECT d.branch_id, d.tanggal, m.product_type, m.reason, m.masuk, m.keluar, m.kali
    FROM dirty d CROSS JOIN LATERAL movements_of_day(d.branch_id, d.tanggal) m
$$;

-- Several rows a product: whole months from the months' roll-up (those without a marked day), the rest from the days'.
CREATE FUNCTION product_rollup(scope bigint, since date, until date)
RETURNS TABLE (branch_id bigint, product_type text, product_id bigint, jumlah bigint, subtotal bigint, kali bigint)
LANGUAGE sql STABLE AS $$
    WITH dirty AS MATERIALIZED (SELECT * FROM rollup_dirty(scope, since, until)),
    looked_at AS MATERIALIZED (SELECT b.id FROM branches b WHERE scope IS NULL OR b.id = scope),
    whole AS MATERIALIZED (
        SELECT date_trunc('month', since::timestamp + interval '1 month' - interval '1 day')::date AS begins,
               date_trunc('month', until::timestamp + interval '1 day')::date AS ends),     -- the day after
    dirty_months AS MATERIALIZED (
        SELECT DISTINCT d.branch_id, date_trunc('month', d.tanggal::timestamp)::date AS bulan
        FROM dirty d, whole w WHERE d.tanggal >= w.begins AND d.tanggal < w.ends),
    spans AS MATERIALIZED (
        SELECT l.id, since AS first, least(until, w.begins - 1) AS last FROM looked_at l, whole w WHERE since <= least(until, w.begins - 1)
        UNION ALL
        SELECT l.id, greatest(w.begins, w.ends, since), until FROM looked_at l, whole w WHERE greatest(w.begins, w.ends, since) <= until
        UNION ALL
        SELECT m.branch_id, m.bulan, (m.bulan::timestamp + interval '1 month' - interval '1 day')::date FROM dirty_months m)
    SELECT r.branch_id, r.product_type, r.product_id, r.jumlah, r.subtotal, r.kali
    FROM rollup_product_months r
    WHERE r.branch_id = ANY (ARRAY(SELECT l.id FROM looked_at l)) AND r.bulan >= (SELECT w.begins FROM whole w) AND r.bulan < (SELECT w.ends FROM whole w)
      AND (r.branch_id, r.bulan) NOT IN (SELECT m.branch_id, m.bulan FROM dirty_months m)
    UNION ALL
    SELECT r.*
    FROM spans s
    CROSS JOIN LATERAL (SELECT r.branch_id, r.product_type, r.product_id, r.jumlah, r.subtotal, r.kali
                        FROM rollup_products r
                        WHERE r.branch_id = s.id AND r.tanggal BETWEEN s.first AND s.last
                          AND (r.branch_id, r.tanggal) NOT IN (SELECT d.branch_id, d.tanggal FROM dirty d)
                        OFFSET 0) r         -- span by span by the index: as a join it would read the whole table
    UNION ALL
    SELECT d.branch_id, p.product_type, p.product_id, p.jumlah, p.subtotal, p.kali
    FROM dirty d CROSS JOIN LATERAL products_of_day(d.branch_id, d.tanggal) p
$$;

-- ---- folding ----

-- One at a time. Taken by whoever writes the roll-ups, never by whoever sells.
CREATE FUNCTION rollup_lock() RETURNS void LANGUAGE sql AS $$ SELECT pg_advisory_xact_lock(hashtext('melati.rollups')) $$;
CREATE FUNCTION rollup_try_lock() RETURNS boolean LANGUAGE sql AS $$ SELECT pg_try_advisory_xact_lock(hashtext('melati.rollups')) $$;

-- Folds some marks, of `most` days at most; how many marks it took away (0: none is left). A mark is taken away by an earlier
-- statement than the one that sums up, so its change is in the sum; what is written meanwhile leaves a mark of its own.
CREATE FUNCTION rollup_fold(most integer DEFAULT 100) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    whole  record;
    places bigint[];
    days   date[];
    taken  bigint;
BEGIN
    PERFORM rollup_lock();
    -- A branch's mark becomes one for each of its days that has something to sum up, or did.
    FOR whole IN SELECT DISTINCT m.id, b.timezone FROM rollup_marks m LEFT JOIN branches b ON b.id = m.id WHERE m.what = 'branch' LOOP
        DELETE FROM rollup_marks m WHERE m.what = 'branch' AND m.id = whole.id;
        INSERT INTO rollup_marks (what, id, at)
        SELECT 'moment', whole.id, date_bin('15 minutes', (d.tanggal + time '12:00') AT TIME ZONE whole.timezone, 'epoch')
        FROM (SELECT (p.created_at AT TIME ZONE whole.timezone)::date AS tanggal FROM penjualans p WHERE p.branch_id = whole.id
              UNION SELECT (m.created_at AT TIME ZONE whole.timezone)::date FROM stock_movements m WHERE m.branch_id = whole.id
              UNION SELECT r.tanggal FROM rollup_sales r WHERE r.branch_id = whole.id
              UNION SELECT r.tanggal FROM rollup_products r WHERE r.branch_id = whole.id
              UNION SELECT r.bulan FROM rollup_product_months r WHERE r.branch_id = whole.id
              UNION SELECT r.tanggal FROM rollup_movements r WHERE r.branch_id = whole.id) d
        WHERE whole.timezone IS NOT NULL
        ON CONFLICT DO NOTHING;
    END LOOP;

    WITH found AS MATERIALIZED (
        -- not a branch's, which may have come since the loop above
        SELECT * FROM rollup_marked WHERE what <> 'branch' ORDER BY began, xid, what, id, at LIMIT 20000
    ), chosen AS MATERIALIZED (
        SELECT DISTINCT branch_id, tanggal FROM found WHERE branch_id IS NOT NULL ORDER BY tanggal, branch_id LIMIT most
    ), gone AS (
        DELETE FROM rollup_marks m USING found f LEFT JOIN chosen c ON (c.branch_id, c.tanggal) = (f.branch_id, f.tanggal)
        WHERE (m.began, m.xid, m.what, m.id, m.at) = (f.began, f.xid, f.what, f.id, f.at)
          AND (f.branch_id IS NULL OR c.branch_id IS NOT NULL)
        RETURNING 1
    )
    SELECT (SELECT count(*) FROM gone), array_agg(branch_id), array_agg(tanggal) INTO taken, places, days FROM chosen;

    -- Only what differs is written: most of a day is as it was half a minute ago.
    WITH day AS (SELECT * FROM unnest(places, days) d (branch_id, tanggal)),
    live AS MATERIALIZED (SELECT d.branch_id, d.tanggal, s.* FROM day d CROSS JOIN LATERAL sales_of_day(d.branch_id, d.tanggal) s),
    gone AS (DELETE FROM rollup_sales r USING day d WHERE (r.branch_id, r.tanggal) = (d.branch_id, d.tanggal)
             AND NOT EXISTS (SELECT FROM live l WHERE (l.branch_id, l.tanggal, l.dimensi, l.kunci) = (r.branch_id, r.tanggal, r.dimensi, r.kunci)))
    INSERT INTO rollup_sales AS r (branch_id, tanggal, dimensi, kunci, jumlah, total, omset_bpjs, omset_umum, naik_kelas)
    SELECT branch_id, tanggal, dimensi, kunci, jumlah, total, omset_bpjs, omset_umum, naik_kelas FROM live
    ON CONFLICT (dimensi, branch_id, tanggal, kunci) DO UPDATE
    SET jumlah = excluded.jumlah, total = excluded.total, omset_bpjs = excluded.omset_bpjs, omset_umum = excluded.omset_umum, naik_kelas = excluded.naik_kelas
    WHERE (r.jumlah, r.total, r.omset_bpjs, r.omset_umum, r.naik_kelas)
       <> (excluded.jumlah, excluded.total, excluded.omset_bpjs, excluded.omset_umum, excluded.naik_kelas);

    WITH day AS (SELECT * FROM unnest(places, days) d (branch_id, tanggal)),
    live AS MATERIALIZED (SELECT d.branch_id, d.tanggal, p.* FROM day d CROSS JOIN LATERAL products_of_day(d.branch_id, d.tanggal) p),
    gone AS (DELETE FROM rollup_products r USING day d WHERE (r.branch_id, r.tanggal) = (d.branch_id, d.tanggal)
             AND NOT EXISTS (SELECT FROM live l WHERE (l.branch_id, l.tanggal, l.product_type, l.product_id) = (r.branch_id, r.tanggal, r.product_type, r.product_id)))
    INSERT INTO rollup_products AS r (branch_id, tanggal, product_type, product_id, jumlah, subtotal, kali)
    SELECT branch_id, tanggal, product_type, product_id, jumlah, subtotal, kali FROM live
    ON CONFLICT (branch_id, tanggal, product_type, product_id) DO UPDATE
    SET jumlah = excluded.jumlah, subtotal = excluded.subtotal, kali = excluded.kali
    WHERE (r.jumlah, r.subtotal, r.kali) <> (excluded.jumlah, excluded.subtotal, excluded.kali);

    WITH day AS (SELECT * FROM unnest(places, days) d (branch_id, tanggal)),
    live AS MATERIALIZED (SELECT d.branch_id, d.tanggal, m.* FROM day d CROSS JOIN LATERAL movements_of_day(d.branch_id, d.tanggal) m),
    gone AS (DELETE FROM rollup_movements r USING day d WHERE (r.branch_id, r.tanggal) = (d.branch_id, d.tanggal)
             AND NOT EXISTS (SELECT FROM live l WHERE (l.branch_id, l.tanggal, l.product_type, l.reason) = (r.branch_id, r.tanggal, r.product_type, r.reason)))
    INSERT INTO rollup_movements AS r (branch_id, tanggal, product_type, reason, masuk, keluar, kali)
    SELECT branch_id, tanggal, product_type, reason, masuk, keluar, kali FROM live
    ON CONFLICT (branch_id, tanggal, product_type, reason) DO UPDATE
    SET masuk = excluded.masuk, keluar = excluded.keluar, kali = excluded.kali
    WHERE (r.masuk, r.keluar, r.kali) <> (excluded.masuk, excluded.keluar, excluded.kali);

    -- A month is the sum of its days as they now stand; while one of them has a mark it is not read.
    WITH month AS MATERIALIZED (
        SELECT DISTINCT d.branch_id, date_trunc('month', d.tanggal::timestamp)::date AS bulan FROM unnest(places, days) d (branch_id, tanggal)),
    live AS MATERIALIZED (
        SELECT m.branch_id, m.bulan, p.product_type, p.product_id, sum(p.jumlah)::bigint AS jumlah, sum(p.subtotal)::bigint AS subtotal, sum(p.kali)::bigint AS kali
        FROM month m JOIN rollup_products p ON p.branch_id = m.branch_id AND p.tanggal >= m.bulan AND p.tanggal < m.bulan::timestamp + interval '1 month'
        GROUP BY m.branch_id, m.bulan, p.product_type, p.product_id),
    gone AS (DELETE FROM rollup_product_months r USING month m WHERE (r.branch_id, r.bulan) = (m.branch_id, m.bulan)
             AND NOT EXISTS (SELECT FROM live l WHERE (l.branch_id, l.bulan, l.product_type, l.product_id) = (r.branch_id, r.bulan, r.product_type, r.product_id)))
    INSERT INTO rollup_product_months AS r (branch_id, bulan, product_type, product_id, jumlah, subtotal, kali)
    SELECT branch_id, bulan, product_type, product_id, jumlah, subtotal, kali FROM live
    ON CONFLICT (branch_id, bulan, product_type, product_id) DO UPDATE
    SET jumlah = excluded.jumlah, subtotal = excluded.subtotal, kali = excluded.kali
    WHERE (r.jumlah, r.subtotal, r.kali) <> (excluded.jumlah, excluded.subtotal, excluded.kali);

    RETURN taken;
END $$;

-- ---- checking ----

-- The days of a branch, between two dates, whose roll-ups are not what the sales say though nothing marks them (somebody
-- switched a trigger off, or wrote into a roll-up). They get a mark, so that from then on they are read from the sales.
CREATE FUNCTION rollup_check(branch bigint, since date, until date) RETURNS SETOF date LANGUAGE sql AS $$
    WITH clean AS MATERIALIZED (
        SELECT since + n AS tanggal FROM generate_series(0, until - since) n
        WHERE since + n NOT IN (SELECT d.tanggal FROM rollup_dirty(branch, since, until) d)
    ), live AS (
        SELECT c.tanggal, 'sales' || s::text AS row FROM clean c CROSS JOIN LATERAL sales_of_day(branch, c.tanggal) s
        UNION ALL SELECT c.tanggal, 'products' || p::text FROM clean c CROSS JOIN LATERAL products_of_day(branch, c.tanggal) p
        UNION ALL SELECT c.tanggal, 'movements' || m::text FROM clean c CROSS JOIN LATERAL movements_of_day(branch, c.tanggal) m
    ), kept AS (
        SELECT tanggal, 'sales' || ROW(dimensi, kunci, jumlah, total, omset_bpjs, omset_umum, naik_kelas)::text
        FROM rollup_sales WHERE branch_id = branch AND tanggal IN (SELECT tanggal FROM clean)
        UNION ALL
        SELECT tanggal, 'products' || ROW(product_type, product_id, jumlah, subtotal, kali)::text
        FROM rollup_products WHERE branch_id = branch AND tanggal IN (SELECT tanggal FROM clean)
        UNION ALL
        SELECT tanggal, 'movements' || ROW(product_type, reason, masuk, keluar, kali)::text
        FROM rollup_movements WHERE branch_id = branch AND tanggal IN (SELECT tanggal FROM clean)
    ), months AS (
        SELECT date_trunc('month', tanggal::timestamp)::date AS bulan, product_type, product_id, sum(jumlah) AS jumlah, sum(subtotal) AS subtotal, sum(kali) AS kali
        FROM rollup_products
        WHERE branch_id = branch AND tanggal >= date_trunc('month', since::timestamp) AND tanggal < date_trunc('month', until::timestamp) + interval '1 month'
        GROUP BY 1, 2, 3
    ), wrong AS (
        (SELECT tanggal FROM (TABLE live EXCEPT TABLE kept) l UNION SELECT tanggal FROM (TABLE kept EXCEPT TABLE live) k)
        UNION
        SELECT coalesce(m.bulan, r.bulan)
        FROM months m FULL JOIN (SELECT * FROM rollup_product_months WHERE branch_id = branch
            AND bulan >= date_trunc('month', since::timestamp) AND bulan <= until) r USING (bulan, product_type, product_id)
        WHERE (m.jumlah, m.subtotal, m.kali) IS DISTINCT FROM (r.jumlah, r.subtotal, r.kali)
    ), marked AS (
        INSERT INTO rollup_marks (what, id, at)
        SELECT 'moment', b.id, date_bin('15 minutes', (w.tanggal + time '12:00') AT TIME ZONE b.timezone, 'epoch')
        FROM wrong w JOIN branches b ON b.id = branch
        ON CONFLICT DO NOTHING
    )
    SELECT tanggal FROM wrong ORDER BY tanggal
$$;

-- What there is already.
INSERT INTO rollup_marks (what, id) SELECT 'branch', id FROM branches;
