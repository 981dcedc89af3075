-- Who came in by what no longer counts, and what belongs together.

-- Rises with every end of all sessions of an account. A session says which one it was born in, and counts in no other: one
-- whose password was read before it was changed, and that is written only after, was not there to be deleted.
ALTER TABLE users ADD sessions_epoch integer NOT NULL DEFAULT 0;

CREATE FUNCTION user_epoch_ends() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.sessions_epoch := OLD.sessions_epoch + 1;
    RETURN NEW;
END $$;
CREATE TRIGGER epoch_ends BEFORE UPDATE OF password, is_active ON users
    FOR EACH ROW WHEN (NEW.password <> OLD.password OR NOT NEW.is_active) EXECUTE FUNCTION user_epoch_ends();
