//! The statements of the feed. One condition stands in all of them: a row is new when its writer had not finished in the
//! earlier snapshot. It is written so that each table answers from its index on `updated_xid`: the upper bound belongs
//! inside the range arm (outside of it the planner walks the index from its start).

/// `$lower` and `$upper` are snapshots, as SQL expressions.
macro_rules! written_between {
    ($lower:literal, $upper:literal) => {
        concat!(
            "((updated_xid >= pg_snapshot_xmax(",
            $lower,
            ") AND updated_xid < pg_snapshot_xmax(",
            $upper,
            "))",
            " OR updated_xid = ANY (ARRAY(SELECT pg_snapshot_xip(",
            $lower,
            "))))"
        )
    };
}

/// The arms of the three product tables and their tombstones; `$also` narrows (or is `TRUE`). What is told is built as `json`: as
/// `jsonb` it took half as long again for ten thousand rows.
macro_rules! products_written {
    ($between:expr, $also:literal) => {
        concat!(
            "SELECT 'frames' AS tbl, 'U' AS op, branch_id, id, updated_at, json_build_object(",
            "  'kode', kode_frame, 'product_name', merk_frame || ' - ' || jenis_frame, 'new_stock', stok,",
            "  'price', harga_jual_frame, 'alert_level', alert_level,",
            "  'alert', CASE alert_level WHEN 'low' THEN open_alert('Frame', id) END)::text AS body, updated_xid::text AS xid",
            " FROM frames WHERE ", $between, " AND ", $also,
            " UNION ALL SELECT 'lensas', 'U', branch_id, id, updated_at, json_build_object(",
            "  'kode', kode_lensa, 'product_name', merk_lensa || ' - ' || type, 'new_stock', stok,",
            "  'price', harga_jual_lensa, 'alert_level', alert_level,",
            "  'alert', CASE alert_level WHEN 'low' THEN open_alert('Lensa', id) END)::text, updated_xid::text",
            " FROM lensas WHERE ", $between, " AND ", $also,
            " UNION ALL SELECT 'aksesoris', 'U', branch_id, id, updated_at, json_build_object(",
            "  'kode', kode, 'product_name', nama_produk, 'new_stock', stok,",
            "  'price', harga_jual, 'alert_level', alert_level,",
            "  'alert', CASE alert_level WHEN 'low' THEN open_alert('Aksesoris', id) END)::text, updated_xid::text",
            " FROM aksesoris WHERE ", $between, " AND ", $also,
            " UNION ALL SELECT tbl, 'D', branch_id, row_id, updated_at, (CASE tbl",
            "  WHEN 'frames' THEN json_build_object('kode', body->'kode_frame',",
            "    'product_name', (body->>'merk_frame') || ' - ' || (body->>'jenis_frame'), 'new_stock', body->'stok',",
            "    'price', body->'harga_jual_frame', 'alert_level', body->'alert_level')",
            "  WHEN 'lensas' THEN json_build_object('kode', body->'kode_lensa',",
            "    'product_name', (body->>'merk_lensa') || ' - ' || (body->>'type'), 'new_stock', body->'stok',",
            "    'price', body->'harga_jual_lensa', 'alert_level', body->'alert_level')",
            "  WHEN 'aksesoris' THEN json_build_object('kode', body->'kode', 'product_name', body->'nama_produk',",
            "    'new_stock', body->'stok', 'price', body->'harga_jual', 'alert_level', body->'alert_level') END)::text, updated_xid::text",
            " FROM feed_gone WHERE ", $between, " AND ", $also
        )
    };
}

/// Orders are sales on their way: what the board needs to know that it must look again.
macro_rules! orders_written {
    ($between:expr, $also:literal) => {
        concat!(
            "SELECT 'penjualans' AS tbl, 'U' AS op, branch_id, id, updated_at, json_build_object(",
            "  'no_transaksi', kode_penjualan, 'status', status_pengerjaan, 'kekurangan', kekurangan)::text AS body, updated_xid::text AS xid",
            " FROM penjualans WHERE ",
            $between,
            " AND ",
            $also
        )
    };
}

macro_rules! notifications_written {
    ($between:expr, $also:literal) => {
        concat!(
            "SELECT 'notifications' AS tbl, 'U' AS op, branch_id, id, updated_at, json_build_object(",
            "  'type', type, 'title', title, 'message', message, 'data', data, 'audience', audience)::text AS body, updated_xid::text AS xid",
            " FROM notifications WHERE ",
            $between,
            // an announcement that has ended is no news for who was away
            " AND (ends_at IS NULL OR ends_at > now()) AND ",
            $also
        )
    };
}

/// One tick: where we stand, every row whose writer has finished since `$1`, and how many products are low now in the branches
/// whose products changed. No rows: one line with nulls. Where nothing at all has finished the arms are not even looked at
/// (on a primary an unchanged snapshot text means just that).
pub const POLL: &str = concat!(
    "WITH change AS MATERIALIZED (SELECT * FROM (",
    products_written!(written_between!("$1::pg_snapshot", "pg_current_snapshot()"), "TRUE"),
    " UNION ALL ",
    notifications_written!(written_between!("$1::pg_snapshot", "pg_current_snapshot()"), "TRUE"),
    " UNION ALL ",
    orders_written!(written_between!("$1::pg_snapshot", "pg_current_snapshot()"), "TRUE"),
    " UNION ALL SELECT 'open_days', 'U', branch_id, id, updated_at, NULL, NULL FROM open_days WHERE ",
    written_between!("$1::pg_snapshot", "pg_current_snapshot()"),
    " UNION ALL SELECT 'pasiens', 'U', branch_id, id, updated_at, NULL, NULL FROM pasiens WHERE ",
    written_between!("$1::pg_snapshot", "pg_current_snapshot()"),
    " UNION ALL SELECT 'users', 'U', branch_id, id, updated_at, NULL, NULL FROM users WHERE ",
    written_between!("$1::pg_snapshot", "pg_current_snapshot()"),
    " UNION ALL SELECT 'branches', 'U', id, id, updated_at, NULL, NULL FROM branches WHERE ",
    written_between!("$1::pg_snapshot", "pg_current_snapshot()"),
    ") written WHERE pg_current_snapshot()::text <> $1::text)",
    " SELECT pg_current_snapshot()::text AS snapshot, (SELECT pruned_below::text FROM feed_meta) AS pruned_below,",
    "  (SELECT epoch FROM feed_epochs ORDER BY seq DESC LIMIT 1) AS epoch, told.*",
    " FROM (SELECT) here LEFT JOIN (SELECT tbl, op, branch_id, id, updated_at, body FROM change",
    "  UNION ALL SELECT 'stock_totals', 'T', branch_id, NULL, NULL, stock_totals(branch_id)::text",
    "   FROM (SELECT DISTINCT branch_id FROM change WHERE tbl IN ('frames', 'lensas', 'aksesoris')) touched) told ON TRUE",
    // a row that moves leaves its tombstone and arrives at the same instant: gone first
    " ORDER BY told.updated_at, told.op"
);

/// How the feed's connection plans. After a bulk load one transaction dominates the statistics, and the planner would prefer
/// to scan the tables: every tick must answer from the indexes on updated_xid. And planning anew takes longer than running.
pub const PIN_PLANS: &str = "
    SET enable_seqscan = off; SET enable_hashjoin = off; SET enable_mergejoin = off; SET jit = off;
    SET max_parallel_workers_per_gather = 0; SET plan_cache_mode = force_generic_plan; SET timezone = 'UTC'";

/// Where a new connection of the feed finds itself.
pub const ORIGIN: &str = "
    SELECT (SELECT system_identifier FROM pg_control_system()) AS system_identifier,
           CASE WHEN pg_is_in_recovery() THEN 0
                ELSE ('x' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8))::bit(32)::int END AS timeline,
           pg_current_snapshot()::text AS snapshot";

/// One row a start of Postgres. `first_xid` is read from the control file, because others may have written since the
/// start: at a start it is what the last checkpoint knew, and a checkpoint ends every recovery.
pub const REGISTER_EPOCH: &str = "
    INSERT INTO feed_epochs (epoch, postmaster_started_at, system_identifier, first_xid)
    SELECT $1, pg_postmaster_start_time(), $2,
           least(pg_snapshot_xmax(pg_current_snapshot())::text::bigint,
                 (split_part(next_xid, ':', 1)::bigint << 32) + split_part(next_xid, ':', 2)::bigint)::text::xid8
    FROM pg_control_checkpoint()
    ON CONFLICT (system_identifier, postmaster_started_at) WHERE reread IS NULL DO NOTHING";

/// Newest first. The current one is the newest of the present start.
pub const EPOCHS: &str = "
    SELECT epoch, first_xid::text AS first_xid, reread, postmaster_started_at = pg_postmaster_start_time() AND system_identifier = $1 AS is_current
    FROM feed_epochs ORDER BY seq DESC";

/// What was written after `$1`, in every branch or (`$2`) in one and in none; at most `$3` rows, in the order in which a tick
/// would tell them.
pub const MISSED: &str = concat!(
    "SELECT (SELECT pruned_below::text FROM feed_meta) AS pruned_below, missed.* FROM (SELECT) here LEFT JOIN (SELECT * FROM (",
    products_written!(
        written_between!("$1::pg_snapshot", "pg_current_snapshot()"),
        "($2::bigint IS NULL OR branch_id IS NULL OR branch_id = $2)"
    ),
    " UNION ALL ",
    orders_written!(
        written_between!("$1::pg_snapshot", "pg_current_snapshot()"),
        "($2::bigint IS NULL OR branch_id IS NULL OR branch_id = $2)"
    ),
    " UNION ALL ",
    notifications_written!(
        written_between!("$1::pg_snapshot", "pg_current_snapshot()"),
        "($2::bigint IS NULL OR branch_id IS NULL OR branch_id = $2)"
    ),
    ") written ORDER BY updated_at, op, id LIMIT $3) missed ON TRUE ORDER BY missed.updated_at, missed.op, missed.id"
);

/// The newest notifications of a scope, oldest first: for a client that starts afresh. `$1` branch or null, `$2` role.
pub const RECENT_NOTIFICATIONS: &str = concat!(
    "SELECT * FROM (",
    notifications_written!(
        "TRUE",
        "($1::bigint IS NULL OR branch_id IS NULL OR branch_id = $1) AND ($2 = 'super_admin' OR audience IS NULL OR audience = $2)"
    ),
    " ORDER BY id DESC LIMIT $3) newest ORDER BY updated_at, id"
);

/// Tombstones below this are gone: a cursor from before has missed some.
pub const PRUNED_BELOW: &str = "SELECT pruned_below::text FROM feed_meta";

/// How the parts of the feed are, what was attested of them, and when everything was last read anew. `state` changes with
/// every version of every part; where one is broken also with the number of writes to its table, for they went unseen.
pub const LOOK: &str = "
    SELECT md5(string_agg(concat_ws(' ', tbl, part, problem, version), ',' ORDER BY tbl, part))
               || coalesce(' ' || sum(pg_stat_get_tuples_inserted(to_regclass(tbl)) + pg_stat_get_tuples_updated(to_regclass(tbl))
                                      + pg_stat_get_tuples_deleted(to_regclass(tbl))) FILTER (WHERE problem IS NOT NULL), '') AS state,
           coalesce(jsonb_agg(jsonb_build_object('table', tbl, 'part', part, 'problem', problem) ORDER BY tbl, part)
                    FILTER (WHERE problem IS NOT NULL), '[]') AS faults,
           (SELECT attested FROM feed_meta) AS attested,
           (SELECT jsonb_build_object('at', to_char(created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"'), 'reason', reread)
            FROM feed_epochs WHERE reread IS NOT NULL AND created_at > now() - interval '1 hour' ORDER BY seq DESC LIMIT 1) AS reread
    FROM feed_parts";

/// Tables with stamps of transactions that have not begun.
pub const FUTURE: &str = "SELECT feed_future()";

pub const MEND: &str = "SELECT feed_mend()";

/// Held to the end of the transaction: one process judges at a time, and no pruning moves under it.
pub const HOLD_META: &str = "SELECT 1 FROM feed_meta FOR UPDATE";

pub const ATTEST: &str = "UPDATE feed_meta SET attested = $1";

/// Epochs are then committed in the order of their numbers, also beside a process that registers a start of Postgres.
pub const HOLD_EPOCHS: &str = "LOCK TABLE feed_epochs IN SHARE ROW EXCLUSIVE MODE";

/// An epoch that accepts no cursor of an earlier one. `$1` its number, `$2` the reason.
pub const REREAD_EPOCH: &str = "
    INSERT INTO feed_epochs (epoch, postmaster_started_at, system_identifier, first_xid, reread)
    SELECT $1, pg_postmaster_start_time(), system_identifier, '0', $2 FROM pg_control_system()";

/// Which process keeps house: the one that gets this lock, for one batch.
pub const KEEP_HOUSE: &str = "SELECT pg_try_advisory_xact_lock(hashtext('melati.housekeeping'))";

/// One batch of tombstones older than `$1` days, at most `$2`, and the mark below which cursors are too old. Both at once: a
/// cursor that misses a tombstone stands before its transaction's end, hence its xmin is at most that transaction.
/// What a snapshot in use may not have seen yet stays, however old.
pub const PRUNE_TOMBSTONES: &str = "
    WITH old AS (
        SELECT seq FROM feed_gone
        WHERE updated_at < now() - make_interval(days => $1) AND updated_xid < pg_snapshot_xmin(pg_current_snapshot())
        ORDER BY seq LIMIT $2
    ), gone AS (
        DELETE FROM feed_gone USING old WHERE feed_gone.seq = old.seq RETURNING feed_gone.updated_xid
    ), mark AS (
        UPDATE feed_meta SET pruned_below = greatest(pruned_below, (SELECT max(updated_xid::text::bigint) + 1 FROM gone)::text::xid8)
        WHERE EXISTS (SELECT FROM gone)
    )
    SELECT count(*) FROM gone";

/// Notifications older than `$1` days; who has read them goes with them (a cascade).
pub const PRUNE_NOTIFICATIONS: &str = "
    WITH old AS (SELECT id FROM notifications WHERE created_at < now() - make_interval(days => $1) ORDER BY id LIMIT $2),
         gone AS (DELETE FROM notifications USING old WHERE notifications.id = old.id RETURNING 1)
    SELECT count(*) FROM gone";

/// Sessions that expired more than `$1` days ago: nothing reads them.
pub const PRUNE_SESSIONS: &str = "
    WITH old AS (SELECT id FROM sessions WHERE expires_at <= now() - make_interval(days => $1) ORDER BY expires_at LIMIT $2),
         gone AS (DELETE FROM sessions USING old WHERE sessions.id = old.id AND expires_at <= now() RETURNING 1)
    SELECT count(*) FROM gone";

/// All epochs but the newest `$1`: a cursor of an epoch that is not known is refused.
pub const PRUNE_EPOCHS: &str = "
    WITH old AS (SELECT seq FROM feed_epochs ORDER BY seq DESC OFFSET $1::int LIMIT $2),
         gone AS (DELETE FROM feed_epochs USING old WHERE feed_epochs.seq = old.seq RETURNING 1)
    SELECT count(*) FROM gone";
