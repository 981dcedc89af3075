-- A password that somebody else knows does not lie about for ever: unused, it ends after three days. By a trigger, so that it
-- is true whoever gives it out: a page, the command line, psql.

ALTER TABLE users ADD password_ends_at timestamptz;           -- null: it is the person's own
-- What is given out now has as long from today.
ALTER TABLE users DISABLE TRIGGER zz_feed_stamp;
UPDATE users SET password_ends_at = now() + interval '72 hours' WHERE must_change_password;
ALTER TABLE users ENABLE ALWAYS TRIGGER zz_feed_stamp;

CREATE FUNCTION user_first_password() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.password_ends_at := CASE WHEN NEW.must_change_password THEN now() + interval '72 hours' END;
    RETURN NEW;
END $$;
CREATE TRIGGER first_password BEFORE INSERT OR UPDATE OF password, must_change_password ON users
    FOR EACH ROW EXECUTE FUNCTION user_first_password();
