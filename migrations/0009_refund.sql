-- A sale that is taken back. Its row stays as it was sold (total, omset, lines), with who took it back, when and why, and counts
-- in no takings any more: every sum over sales asks for `dibatalkan_at IS NULL`. Money is counted on the day on which it moves:
-- what is paid back is a payment of its own, below zero, today. So a drawer adds up by its payments, and a day's omset by its
-- sales that stand. Nothing is paid or owed for such a sale, and its payments add up to that, as for any other.

ALTER TABLE penjualans
    ADD dibatalkan_at   timestamptz,
    ADD dibatalkan_oleh bigint REFERENCES users,
    ADD alasan_batal    text,
    DROP CONSTRAINT penjualans_debt_adds_up,
    ADD CONSTRAINT penjualans_debt_adds_up CHECK
        (CASE WHEN dibatalkan_at IS NULL THEN bayar + kekurangan = omset_umum ELSE bayar = 0 AND kekurangan = 0 END),
    ADD CONSTRAINT penjualans_cancelled_for_a_reason CHECK
        ((dibatalkan_at IS NULL) = (alasan_batal IS NULL) AND alasan_batal <> '' AND (dibatalkan_oleh IS NULL OR dibatalkan_at IS NOT NULL));

-- The sums of a day still read nothing but this index.
DROP INDEX penjualans_of_branch;
CREATE INDEX penjualans_of_branch ON penjualans (branch_id, created_at DESC) INCLUDE (user_id, total, omset_bpjs, omset_umum, dibatalkan_at);

ALTER TABLE pembayarans
    DROP CONSTRAINT pembayarans_jumlah_check,
    ADD CONSTRAINT pembayarans_jumlah_check CHECK (jumlah <> 0);       -- below zero: paid back to the patient

-- Lists of words grow by one. What stands in them already is kept as it is: other migrations add to them, too.
DO $$
DECLARE
    list record;
BEGIN
    FOR list IN SELECT * FROM (VALUES ('stock_movements', 'stock_movements_reason_check', 'reason', 'retur'),
                                      ('audit_log', 'audit_log_action_check', 'action', 'refund')) l (tbl, name, col, word) LOOP
        EXECUTE format('ALTER TABLE %I DROP CONSTRAINT %I, ADD CONSTRAINT %I CHECK ((%s) OR %I = %L)', list.tbl, list.name, list.name,
            (SELECT pg_get_expr(conbin, conrelid) FROM pg_constraint WHERE conrelid = to_regclass(list.tbl) AND conname = list.name),
            list.col, list.word);
    END LOOP;
END $$;

-- Once, and for good: what was given back cannot be given back again, by whichever program.
CREATE FUNCTION sale_cancelled_stays() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (NEW.dibatalkan_at, NEW.total, NEW.omset_bpjs, NEW.omset_umum, NEW.status_pengerjaan)
       IS DISTINCT FROM (OLD.dibatalkan_at, OLD.total, OLD.omset_bpjs, OLD.omset_umum, OLD.status_pengerjaan) THEN
        RAISE EXCEPTION 'sale % is cancelled and stays as it is: write a new one', OLD.kode_penjualan;
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER cancelled_stays BEFORE UPDATE ON penjualans
    FOR EACH ROW WHEN (OLD.dibatalkan_at IS NOT NULL) EXECUTE FUNCTION sale_cancelled_stays();

CREATE FUNCTION audit_refund() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM audit('refund', NEW.branch_id, NEW.kode_penjualan,
        jsonb_build_object('total', OLD.total, 'bayar', OLD.bayar, 'kekurangan', OLD.kekurangan, 'status_pengerjaan', OLD.status_pengerjaan),
        jsonb_build_object('alasan', NEW.alasan_batal));
    RETURN NULL;
END $$;
CREATE TRIGGER audit_refund AFTER UPDATE OF dibatalkan_at ON penjualans
    FOR EACH ROW WHEN (OLD.dibatalkan_at IS NULL AND NEW.dibatalkan_at IS NOT NULL) EXECUTE FUNCTION audit_refund();

-- As in 0002, and: a sale that is taken back is news. Without the reason, in which somebody may have written a name.
CREATE OR REPLACE FUNCTION sale_written() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        PERFORM notify_people(NEW.branch_id, 'admin', 'new_transaction', 'Transaksi Baru',
            NEW.kode_penjualan || ' · ' || rupiah(NEW.total),
            jsonb_build_object('transaction_id', NEW.id, 'no_transaksi', NEW.kode_penjualan, 'total', NEW.total,
                               'kasir', (SELECT name FROM users WHERE id = NEW.user_id)));
    ELSIF NEW.dibatalkan_at IS NOT NULL AND OLD.dibatalkan_at IS NULL THEN
        PERFORM notify_people(NEW.branch_id, NULL, 'transaction_updated', 'Penjualan Dibatalkan',
            NEW.kode_penjualan || ' · ' || rupiah(NEW.total) || ' tidak dihitung lagi',
            jsonb_build_object('transaction_id', NEW.id, 'no_transaksi', NEW.kode_penjualan, 'total', NEW.total, 'dibatalkan', true));
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
DROP TRIGGER sale_written ON penjualans;
CREATE TRIGGER sale_written AFTER INSERT OR UPDATE OF status_pengerjaan, total, omset_bpjs, dibatalkan_at ON penjualans
    FOR EACH ROW EXECUTE FUNCTION sale_written();

-- As in 0002, but for what is paid back: the sale's own notification says it.
DROP TRIGGER payment_written ON pembayarans;
CREATE TRIGGER payment_written AFTER INSERT ON pembayarans FOR EACH ROW WHEN (NEW.jumlah > 0) EXECUTE FUNCTION payment_written();
