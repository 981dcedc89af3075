-- The log hears of tries that came to their limit, and stays as it is also for programs that switch triggers off for
-- themselves (session_replication_role = replica). Who owns the tables can still do anything: that is the operator.

-- What stands in the list already is kept as it is: other migrations add to it, too.
DO $$
BEGIN
    EXECUTE format('ALTER TABLE audit_log DROP CONSTRAINT audit_log_action_check,
                    ADD CONSTRAINT audit_log_action_check CHECK ((%s) OR action = ''sign_in_limited'')',
        (SELECT pg_get_expr(conbin, conrelid) FROM pg_constraint
         WHERE conrelid = 'audit_log'::regclass AND conname = 'audit_log_action_check'));
END $$;

ALTER TABLE audit_log ENABLE ALWAYS TRIGGER stay, ENABLE ALWAYS TRIGGER stay_whole;
