-- A chain of eight branches with a million sales of a year, a line and a movement each: what docs/insight.md measures on.
-- Into a scratch database with the schema in it:  psql -v ON_ERROR_STOP=1 -f benches/reports.sql <database>
\set ON_ERROR_STOP 1
SET client_min_messages = warning;
SET session_replication_role = DEFAULT;

INSERT INTO branches (id, name, kode, timezone)
SELECT n, 'Cabang ' || n, 'C' || chr(64 + n), (ARRAY['Asia/Jakarta', 'Asia/Makassar', 'Asia/Jayapura'])[1 + n % 3] FROM generate_series(1, 8) n;
INSERT INTO users (id, name, email, password, role, branch_id)
SELECT b * 10 + k, 'Kasir ' || b || '-' || k, 'k' || b || k || '@melati.test', '-', 'kasir', b FROM generate_series(1, 8) b, generate_series(1, 3) k;
INSERT INTO pasiens (id, branch_id, nama_pasien, service_type)
SELECT b * 10000 + n, b, 'Pasien ' || n, (ARRAY['UMUM', 'UMUM', 'BPJS I', 'BPJS II', 'BPJS III'])[1 + n % 5] FROM generate_series(1, 8) b, generate_series(0, 2499) n;

ALTER TABLE frames DISABLE TRIGGER USER;
ALTER TABLE lensas DISABLE TRIGGER USER;
INSERT INTO frames (id, branch_id, kode_frame, merk_frame, harga_beli_frame, harga_jual_frame, stok)
SELECT b * 1000 + n, b, 'FR' || n, 'Frame ' || n, 200000 + n * 1000, 300000 + n * 1500, n % 40 FROM generate_series(1, 8) b, generate_series(0, 299) n;
INSERT INTO lensas (id, branch_id, kode_lensa, merk_lensa, type, harga_beli_lensa, harga_jual_lensa, stok)
SELECT b * 1000 + n, b, 'LS' || n, 'Lensa ' || n, 'Single Vision', 90000, 190000, n % 60 FROM generate_series(1, 8) b, generate_series(0, 149) n;
ALTER TABLE frames ENABLE TRIGGER USER;
ALTER TABLE lensas ENABLE TRIGGER USER;

ALTER TABLE penjualans DISABLE TRIGGER USER;
ALTER TABLE penjualan_details DISABLE TRIGGER USER;
ALTER TABLE pembayarans DISABLE TRIGGER USER;
ALTER TABLE stock_movements DISABLE TRIGGER USER;
SELECT setseed(0.5);
-- The million in the order of time, ten hours a day; one in fifty owes something.
INSERT INTO penjualans (id, kode_penjualan, pasien_id, user_id, branch_id, service_type, total, omset_bpjs, omset_umum, bayar, kekurangan, status,
                        transaction_status, status_pengerjaan, resep, created_at)
SELECT n, 'S-' || n, b * 10000 + pasien, b * 10 + 1 + n % 3, b, class, 500000, bpjs, 500000 - bpjs,
       CASE WHEN n % 50 = 0 THEN 0 ELSE 500000 - bpjs END, CASE WHEN n % 50 = 0 THEN 500000 - bpjs ELSE 0 END,
       CASE WHEN n % 50 = 0 THEN 'Belum Lunas' ELSE 'Lunas' END, CASE WHEN bpjs > 0 AND n % 4 = 0 THEN 'Naik Kelas' ELSE 'Normal' END,
       CASE WHEN n % 50 = 0 THEN 'Siap Diambil' ELSE 'Sudah Diambil' END, '{}', at
FROM (SELECT n, 1 + n % 8 AS b, n * 7 % 2500 AS pasien, (ARRAY['UMUM', 'UMUM', 'BPJS I', 'BPJS II', 'BPJS III'])[1 + n * 7 % 5] AS class,
             (ARRAY[0, 0, 330000, 220000, 165000])[1 + n * 7 % 5] AS bpjs,
             date_trunc('day', now()) - (364 - n / 2740) * interval '1 day' + interval '1 hour' + (n % 2740) * interval '36000 s' / 2740 AS at
      FROM generate_series(0, 999999) n) s;
INSERT INTO penjualan_details (penjualan_id, product_type, product_id, nama, quantity, price, subtotal)
SELECT id, kind, branch_id * 1000 + CASE kind WHEN 'Frame' THEN floor(270 * power(random(), 2)) ELSE floor(140 * power(random(), 2)) END, 'barang', 1, 500000, 500000
FROM (SELECT id, branch_id, CASE WHEN random() < 0.6 THEN 'Frame' ELSE 'Lensa' END AS kind FROM penjualans) p;
INSERT INTO pembayarans (penjualan_id, metode, jumlah, diterima, user_id, created_at)
SELECT id, (ARRAY['tunai', 'transfer', 'qris'])[1 + id % 3], bayar, bayar, user_id, created_at FROM penjualans WHERE bayar > 0;
INSERT INTO stock_movements (product_type, product_id, branch_id, delta, stok_after, reason, catatan, user_id, created_at)
SELECT d.product_type, d.product_id, p.branch_id, -1, 0, 'penjualan', p.kode_penjualan, p.user_id, p.created_at
FROM penjualan_details d JOIN penjualans p ON p.id = d.penjualan_id;
INSERT INTO stock_movements (product_type, product_id, branch_id, delta, stok_after, reason, created_at)
SELECT 'Frame', b * 1000 + n % 300, b, 12, 12, 'restok', date_trunc('day', now()) - (n % 365) * interval '1 day' + interval '2 hours'
FROM generate_series(1, 8) b, generate_series(1, 8000) n;
INSERT INTO open_days (branch_id, tanggal, is_open, opened_at, closed_at)
SELECT b, (now()::date - n), n = 0, now() - n * interval '1 day', CASE WHEN n > 0 THEN now() - n * interval '1 day' + interval '10 hours' END
FROM generate_series(1, 8) b, generate_series(0, 364) n;
ALTER TABLE penjualans ENABLE TRIGGER USER;
ALTER TABLE penjualan_details ENABLE TRIGGER USER;
ALTER TABLE pembayarans ENABLE TRIGGER USER;
ALTER TABLE stock_movements ENABLE TRIGGER USER;
SELECT feed_mend();
ANALYZE;
INSERT INTO rollup_marks (what, id) SELECT 'branch', id FROM branches;
SELECT 'before folding', count(*) FROM rollup_marks;
