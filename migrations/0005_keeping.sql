-- What keeps the feed true over months: no writer passes its triggers by unseen, and a moment can be declared from which
-- everybody reads everything anew. Why this is exact: src/feed/integrity.rs.

-- Tables of the feed that lose rows without a tombstone when truncated.
CREATE TRIGGER zz_feed_truncate BEFORE TRUNCATE ON sessions  FOR EACH STATEMENT EXECUTE FUNCTION feed_refuse_truncate();
CREATE TRIGGER zz_feed_truncate BEFORE TRUNCATE ON feed_gone FOR EACH STATEMENT EXECUTE FUNCTION feed_refuse_truncate();

-- Every part that the feed relies on, as it is now: a trigger or a column, what is wrong with it (null: nothing), and its
-- version, which changes whenever it is switched, replaced or given other code. The list of what is watched.
CREATE VIEW feed_parts AS
WITH watched AS (
    SELECT unnest(ARRAY['branches', 'users', 'pasiens', 'frames', 'lensas', 'aksesoris', 'open_days', 'penjualans', 'notifications']) AS tbl
), triggers (tbl, name, function, type) AS (
    -- pg_trigger.tgtype: 1 row, 2 before, 4 insert, 8 delete, 16 update, 32 truncate
    SELECT tbl, 'zz_feed_stamp', CASE tbl WHEN 'branches' THEN 'feed_stamp_branch' ELSE 'feed_stamp' END, 1 + 2 + 4 + 16 FROM watched
    UNION ALL
    SELECT tbl, 'zz_feed_bury', CASE tbl WHEN 'branches' THEN 'feed_bury_branch' ELSE 'feed_bury' END, 8 FROM watched WHERE tbl <> 'notifications'
    UNION ALL
    SELECT tbl, 'zz_feed_truncate', 'feed_refuse_truncate', 2 + 32 FROM watched
    UNION ALL
    VALUES ('sessions', 'zz_session_gone', 'session_gone', 8),
           ('sessions', 'zz_feed_truncate', 'feed_refuse_truncate', 2 + 32), ('feed_gone', 'zz_feed_truncate', 'feed_refuse_truncate', 2 + 32)
)
SELECT e.tbl, e.name AS part,
       CASE WHEN t.oid IS NULL THEN 'missing'
            WHEN p.proname <> e.function OR t.tgtype <> e.type OR t.tgqual IS NOT NULL OR t.tgattr <> '' THEN 'altered'
            WHEN t.tgenabled = 'A' THEN NULL
            WHEN t.tgenabled = 'O' THEN 'passable'
            ELSE 'disabled' END AS problem,
       concat_ws(' ', t.oid, t.xmin, t.tgenabled, p.oid, p.xmin) AS version
FROM triggers e
LEFT JOIN pg_trigger t ON t.tgrelid = to_regclass(e.tbl) AND t.tgname = e.name AND NOT t.tgisinternal
LEFT JOIN pg_proc p ON p.oid = t.tgfoid
UNION ALL
SELECT w.tbl, c.name, CASE WHEN a.attnum IS NULL THEN 'missing' WHEN NOT a.attnotnull THEN 'nullable' WHEN a.atttypid <> c.type THEN 'altered' END, ''
FROM watched w
CROSS JOIN (VALUES ('updated_at', 'timestamptz'::regtype), ('updated_xid', 'xid8'::regtype)) c (name, type)
LEFT JOIN pg_attribute a ON a.attrelid = to_regclass(w.tbl) AND a.attname = c.name AND NOT a.attisdropped;

-- Tables with a stamp of a transaction that has not begun: a dump of another cluster was restored here. Such rows would be
-- told again, notifications too, when the counter gets there. A visible row is of a transaction below the snapshot's xmax.
CREATE FUNCTION feed_future() RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
    t     text;
    found boolean;
BEGIN
    FOREACH t IN ARRAY ARRAY['branches', 'users', 'pasiens', 'frames', 'lensas', 'aksesoris', 'open_days', 'penjualans', 'notifications', 'feed_gone'] LOOP
        EXECUTE format('SELECT EXISTS (SELECT FROM %I WHERE updated_xid >= pg_snapshot_xmax(pg_current_snapshot()))', t) INTO found;
        IF found THEN
            RETURN NEXT t;
        END IF;
    END LOOP;
    IF EXISTS (SELECT FROM feed_meta WHERE pruned_below > pg_snapshot_xmax(pg_current_snapshot())) THEN
        RETURN NEXT 'feed_meta';
    END IF;
END $$;

-- Mends what can be mended without asking: triggers that some writers may pass by, and stamps of another cluster, which
-- become the oldest there is. It asks for the tables' owner. A trigger that is off stays off: someone did that, and may be at it.
CREATE FUNCTION feed_mend() RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    p record;
    t text;
BEGIN
    FOR p IN SELECT tbl, part FROM feed_parts WHERE problem = 'passable' LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ALWAYS TRIGGER %I', p.tbl, p.part);
    END LOOP;
    FOR t IN SELECT f FROM feed_future() f JOIN feed_parts s ON s.tbl = f AND s.part = 'zz_feed_stamp' AND s.problem IS NULL LOOP
        EXECUTE format('ALTER TABLE %I DISABLE TRIGGER zz_feed_stamp', t);
        IF t = 'notifications' THEN
            ALTER TABLE notifications DISABLE TRIGGER stay;
        END IF;
        EXECUTE format('UPDATE %I SET updated_xid = ''3'' WHERE updated_xid >= pg_snapshot_xmax(pg_current_snapshot())', t);
        IF t = 'notifications' THEN
            ALTER TABLE notifications ENABLE TRIGGER stay;
        END IF;
        EXECUTE format('ALTER TABLE %I ENABLE ALWAYS TRIGGER zz_feed_stamp', t);
    END LOOP;
    DELETE FROM feed_gone WHERE updated_xid >= pg_snapshot_xmax(pg_current_snapshot());
    UPDATE feed_meta SET pruned_below = pg_snapshot_xmin(pg_current_snapshot()) WHERE pruned_below > pg_snapshot_xmax(pg_current_snapshot());
END $$;

-- Always: also for writers that set session_replication_role = replica, as logical replication and some import tools do.
SELECT feed_mend();

-- The versions of the parts when a process last looked; null before the first look.
ALTER TABLE feed_meta ADD attested text;

-- An epoch may also begin while Postgres runs: then everybody reads everything anew, because something went past the
-- feed. Its first_xid is 0: no cursor of an earlier epoch is accepted. `reread` says why; null: a start of Postgres.
ALTER TABLE feed_epochs ADD reread text;
ALTER TABLE feed_epochs DROP CONSTRAINT feed_epochs_system_identifier_postmaster_started_at_key;
CREATE UNIQUE INDEX feed_epochs_start ON feed_epochs (system_identifier, postmaster_started_at) WHERE reread IS NULL;

-- Tables that mostly grow are vacuumed after a twentieth more of rows, not a fifth: index-only scans need it.
ALTER TABLE penjualans      SET (autovacuum_vacuum_insert_scale_factor = 0.05);
ALTER TABLE notifications   SET (autovacuum_vacuum_insert_scale_factor = 0.05);
ALTER TABLE stock_movements SET (autovacuum_vacuum_insert_scale_factor = 0.05);
