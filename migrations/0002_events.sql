-- What follows from a change, whoever makes it (the pages, psql, an old Laravel app): the stock ledger and the
-- notifications. In triggers, because a rule that only our own handlers keep is not kept.
--
-- Settings a writer may give for its transaction (set_config(…, true)):
--   melati.reason   'penjualan' | 'restok' | 'koreksi' | 'transfer'   why stock moves; default 'koreksi'
--   melati.catatan  free text beside it
--   melati.user_id  who
--   melati.import   'on': history is being loaded; no notifications

CREATE FUNCTION melati_setting(name text) RETURNS text LANGUAGE sql STABLE AS
$$ SELECT nullif(current_setting('melati.' || name, true), '') $$;

CREATE FUNCTION notify_people(branch bigint, audience text, type text, title text, message text, data jsonb)
RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    IF melati_setting('import') IS DISTINCT FROM 'on' THEN
        INSERT INTO notifications (branch_id, audience, type, title, message, data)
        VALUES (branch, audience, type, title, message, data);
    END IF;
END $$;

CREATE FUNCTION rupiah(amount bigint) RETURNS text LANGUAGE sql IMMUTABLE AS
$$ SELECT 'Rp' || chr(160) || reverse(regexp_replace(reverse(amount::text), '(\d{3})(?=\d)', '\1.', 'g')) $$;

-- Stock: one movement a change, one alert a crossing. TG_ARGV[0] is the product type.
CREATE FUNCTION stock_changed() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    was integer := CASE WHEN TG_OP = 'UPDATE' THEN OLD.stok ELSE 0 END;
    p   record;
BEGIN
    IF TG_OP = 'UPDATE' AND NEW.branch_id <> OLD.branch_id THEN
        INSERT INTO stock_movements (product_type, product_id, branch_id, delta, stok_after, reason, catatan, user_id)
        VALUES (TG_ARGV[0], OLD.id, OLD.branch_id, -OLD.stok, 0, 'transfer',
                coalesce(melati_setting('catatan'), ''), melati_setting('user_id')::bigint);
        was := 0;
    END IF;
    IF NEW.stok <> was THEN
        INSERT INTO stock_movements (product_type, product_id, branch_id, delta, stok_after, reason, catatan, user_id)
        VALUES (TG_ARGV[0], NEW.id, NEW.branch_id, NEW.stok - was, NEW.stok,
                CASE WHEN TG_OP = 'UPDATE' AND NEW.branch_id <> OLD.branch_id THEN 'transfer'
                     ELSE coalesce(melati_setting('reason'), 'koreksi') END,
                coalesce(melati_setting('catatan'), ''), melati_setting('user_id')::bigint);
    END IF;
    IF TG_OP = 'UPDATE' AND NEW.alert_level = 'low' AND OLD.alert_level <> 'low' THEN
        SELECT * INTO p FROM products WHERE product_type = TG_ARGV[0] AND product_id = NEW.id;
        PERFORM notify_people(NEW.branch_id, NULL, 'stock_alert', 'Stok Rendah',
            p.product_name || ' tinggal ' || p.stok || ', batas ' || p.stok_minimum,
            jsonb_build_object('product_type', TG_ARGV[0], 'product_id', NEW.id, 'kode', p.kode, 'current_stock', p.stok));
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER stock_changed AFTER INSERT OR UPDATE OF stok, stok_minimum, branch_id ON frames
    FOR EACH ROW EXECUTE FUNCTION stock_changed('Frame');
CREATE TRIGGER stock_changed AFTER INSERT OR UPDATE OF stok, stok_minimum, branch_id, is_custom_order ON lensas
    FOR EACH ROW EXECUTE FUNCTION stock_changed('Lensa');
CREATE TRIGGER stock_changed AFTER INSERT OR UPDATE OF stok, stok_minimum, branch_id ON aksesoris
    FOR EACH ROW EXECUTE FUNCTION stock_changed('Aksesoris');

CREATE FUNCTION stock_movements_stay() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'stock_movements is append-only: write a correction (koreksi) instead';
END $$;
CREATE TRIGGER stay BEFORE UPDATE OR DELETE ON stock_movements FOR EACH ROW EXECUTE FUNCTION stock_movements_stay();

-- Sales.
CREATE FUNCTION sale_written() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        PERFORM notify_people(NEW.branch_id, 'admin', 'new_transaction', 'Transaksi Baru',
            NEW.kode_penjualan || ' · ' || rupiah(NEW.total),
            jsonb_build_object('transaction_id', NEW.id, 'no_transaksi', NEW.kode_penjualan, 'total', NEW.total,
                               'kasir', (SELECT name FROM users WHERE id = NEW.user_id)));
    ELSIF NEW.status_pengerjaan = 'Siap Diambil' AND OLD.status_pengerjaan <> 'Siap Diambil' THEN
        PERFORM notify_people(NEW.branch_id, NULL, 'ready_for_pickup', 'Siap Diambil',
            NEW.kode_penjualan || CASE WHEN NEW.kekurangan = 0 THEN ' · lunas' ELSE ' · kurang ' || rupiah(NEW.kekurangan) END,
            jsonb_build_object('transaction_id', NEW.id, 'no_transaksi', NEW.kode_penjualan,
                               'pasien_nama', (SELECT nama_pasien FROM pasiens WHERE id = NEW.pasien_id)));
    ELSIF NEW.total <> OLD.total OR NEW.omset_bpjs <> OLD.omset_bpjs THEN
        PERFORM notify_people(NEW.branch_id, NULL, 'transaction_updated', 'Transaksi Diubah',
            NEW.kode_penjualan || ' · ' || rupiah(OLD.total) || ' menjadi ' || rupiah(NEW.total),
            jsonb_build_object('transaction_id', NEW.id, 'no_transaksi', NEW.kode_penjualan, 'total', NEW.total));
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER sale_written AFTER INSERT OR UPDATE OF status_pengerjaan, total, omset_bpjs ON penjualans
    FOR EACH ROW EXECUTE FUNCTION sale_written();

-- The payment that comes with a sale is part of it; one that comes later is news.
CREATE FUNCTION payment_written() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    sale record;
BEGIN
    SELECT * INTO sale FROM penjualans WHERE id = NEW.penjualan_id;
    IF NEW.created_at > sale.created_at THEN
        PERFORM notify_people(sale.branch_id, NULL, 'payment_processed', 'Pembayaran Diterima',
            sale.kode_penjualan || ' · ' || rupiah(NEW.jumlah),
            jsonb_build_object('transaction_id', sale.id, 'no_transaksi', sale.kode_penjualan, 'jumlah', NEW.jumlah, 'metode', NEW.metode));
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER payment_written AFTER INSERT ON pembayarans FOR EACH ROW EXECUTE FUNCTION payment_written();

CREATE FUNCTION day_written() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    who   text := coalesce((SELECT name FROM users WHERE id = CASE WHEN NEW.is_open THEN NEW.opened_by ELSE NEW.closed_by END), 'sistem');
    place text := (SELECT name FROM branches WHERE id = NEW.branch_id);
BEGIN
    IF TG_OP = 'INSERT' OR NEW.is_open <> OLD.is_open THEN
        PERFORM notify_people(NEW.branch_id, NULL,
            CASE WHEN NEW.is_open THEN 'day_opened' ELSE 'day_closed' END,
            CASE WHEN NEW.is_open THEN 'Hari Dibuka' ELSE 'Hari Ditutup' END,
            place || CASE WHEN NEW.is_open THEN ' dibuka oleh ' ELSE ' ditutup oleh ' END || who,
            jsonb_build_object('tanggal', NEW.tanggal));
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER day_written AFTER INSERT OR UPDATE OF is_open ON open_days FOR EACH ROW EXECUTE FUNCTION day_written();
