-- When an order was handed over: the board shows what was taken today, and updated_at says when a row was last touched, which
-- is another thing. A trigger, so that it is true whoever writes. Unknown for what was taken before.
ALTER TABLE penjualans ADD diambil_at timestamptz;

CREATE FUNCTION sale_taken() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.diambil_at := CASE WHEN NEW.status_pengerjaan = 'Sudah Diambil' THEN clock_timestamp() END;
    RETURN NEW;
END $$;
CREATE TRIGGER sale_taken BEFORE UPDATE OF status_pengerjaan ON penjualans
    FOR EACH ROW WHEN (NEW.status_pengerjaan <> OLD.status_pengerjaan) EXECUTE FUNCTION sale_taken();

CREATE INDEX penjualans_taken ON penjualans (branch_id, diambil_at) WHERE diambil_at IS NOT NULL;
