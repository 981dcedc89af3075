-- A receipt says what was sold, to whom and by which prescription: as it was on that day. The patient's own record goes on.

-- The prescription under which a sale was made, in the units of the screens: hundredths of a dioptre, degrees, tenths of a
-- millimetre. What is not known is left out.
ALTER TABLE penjualans ADD resep jsonb;

CREATE FUNCTION resep_of(p pasiens) RETURNS jsonb LANGUAGE sql IMMUTABLE AS $$
    SELECT jsonb_strip_nulls(jsonb_build_object(
        'od', jsonb_build_object('sph', (p.od_sph * 100)::int, 'cyl', (p.od_cyl * 100)::int, 'axis', p.od_axis, 'add', (p.od_add * 100)::int),
        'os', jsonb_build_object('sph', (p.os_sph * 100)::int, 'cyl', (p.os_cyl * 100)::int, 'axis', p.os_axis, 'add', (p.os_add * 100)::int),
        'pd', (p.pd * 10)::int))
$$;

-- Nobody wrote it down until now: the patient's present one is the nearest there is. History is not news: see 0013_rollups.
ALTER TABLE penjualans DISABLE TRIGGER zz_feed_stamp;
UPDATE penjualans p SET resep = resep_of(s) FROM pasiens s WHERE s.id = p.pasien_id;
ALTER TABLE penjualans ENABLE ALWAYS TRIGGER zz_feed_stamp;
ALTER TABLE penjualans ALTER resep SET NOT NULL;

-- Whoever sells, this program, the one before it or psql.
CREATE FUNCTION sale_resep() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.resep := (SELECT resep_of(s) FROM pasiens s WHERE s.id = NEW.pasien_id);
    RETURN NEW;
END $$;
CREATE TRIGGER sale_resep BEFORE INSERT ON penjualans
    FOR EACH ROW WHEN (NEW.resep IS NULL) EXECUTE FUNCTION sale_resep();
ALTER TABLE penjualans ENABLE ALWAYS TRIGGER sale_resep;

-- A sale as the streams list it, as in 0003_feed, but under the class under which it was sold.
CREATE OR REPLACE FUNCTION latest_sale(p penjualans, zone text) RETURNS jsonb LANGUAGE sql STABLE AS $$
    SELECT jsonb_build_object(
        'id', p.id, 'no_transaksi', p.kode_penjualan, 'nama_pasien', s.nama_pasien, 'service_type', p.service_type,
        'total', p.total, 'status', p.status_pengerjaan,
        'tanggal', to_char(p.created_at AT TIME ZONE zone, 'DD/MM/YYYY'), 'waktu', to_char(p.created_at AT TIME ZONE zone, 'HH24:MI'),
        'at', (extract(epoch FROM p.created_at) * 1000000)::bigint)
    FROM pasiens s WHERE s.id = p.pasien_id
$$;
