-- Whether the roll-ups can be trusted: for /health/ready and /metrics.

-- checked_at is from now on when a comparison of everything had ended; tried_at, when one last began.
ALTER TABLE rollup_meta ADD tried_at timestamptz NOT NULL DEFAULT '-infinity', ADD wrong_days integer NOT NULL DEFAULT 0;

-- Every trigger without which a report may be wrong, and what is wrong with it (null: nothing), as feed_parts has those of the
-- feed. That the feed's parts are whole says nothing of these: while one is off, reports of what is written meanwhile may
-- be wrong until the next comparison.
CREATE VIEW rollup_parts AS
WITH triggers (tbl, name, function, type) AS (
    -- pg_trigger.tgtype: 1 row, 2 before, 4 insert, 8 delete, 16 update, 32 truncate
    VALUES ('penjualans', 'sale_class', 'sale_class', 1 + 2 + 4),
           ('penjualans', 'zz_rollup_written', 'rollup_sale_changed', 1 + 4 + 8),
           ('penjualans', 'zz_rollup_changed', 'rollup_sale_changed', 1 + 16),
           ('penjualan_details', 'zz_rollup_inserted', 'rollup_lines_changed', 4),
           ('penjualan_details', 'zz_rollup_deleted', 'rollup_lines_changed', 8),
           ('penjualan_details', 'zz_rollup_updated', 'rollup_lines_changed', 16),
           ('stock_movements', 'zz_rollup_moved', 'rollup_moved', 4),
           ('branches', 'zz_rollup_zone', 'rollup_zone_changed', 1 + 16),
           ('penjualan_details', 'zz_rollup_truncate', 'rollup_refuse_truncate', 2 + 32),
           ('stock_movements', 'zz_rollup_truncate', 'rollup_refuse_truncate', 2 + 32),
           ('rollup_marks', 'zz_rollup_truncate', 'rollup_refuse_truncate', 2 + 32)
)
SELECT e.tbl, e.name AS part,
       CASE WHEN t.oid IS NULL THEN 'missing'
            WHEN p.proname <> e.function OR t.tgtype <> e.type THEN 'altered'
            WHEN t.tgenabled = 'A' THEN NULL
            WHEN t.tgenabled = 'O' THEN 'passable'
            ELSE 'disabled' END AS problem
FROM triggers e
LEFT JOIN pg_trigger t ON t.tgrelid = to_regclass(e.tbl) AND t.tgname = e.name AND NOT t.tgisinternal
LEFT JOIN pg_proc p ON p.oid = t.tgfoid;
