-- Somebody cuts off a stream: in the log. The wish itself is a tombstone of "streams" (feed_gone, row_id the stream's id,
-- branch_id the branch it must be of, null for any), so that the process that holds the stream hears of it by its feed.
-- What stands in the list already is kept as it is: other migrations add to it, too.
DO $$
BEGIN
    EXECUTE format('ALTER TABLE audit_log DROP CONSTRAINT audit_log_action_check,
                    ADD CONSTRAINT audit_log_action_check CHECK ((%s) OR action = ''stream_cut'')',
        (SELECT pg_get_expr(conbin, conrelid) FROM pg_constraint
         WHERE conrelid = 'audit_log'::regclass AND conname = 'audit_log_action_check'));
END $$;
