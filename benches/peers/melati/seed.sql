-- 50 branches of 200 frames, an admin signed in in each. The n-th frame (from 0) of branch b has the id (b - 1) * 200 + n + 1.
SELECT set_config('melati.import', 'on', false);
INSERT INTO branches (id, name, kode) SELECT b, 'Cabang ' || b, chr(65 + b / 26) || chr(65 + b % 26) || 'X' FROM generate_series(1, 50) b;
INSERT INTO users (id, name, email, password, role, branch_id)
SELECT b, 'Admin ' || b, 'admin' || b || '@melati.test', '-', 'admin', b FROM generate_series(1, 50) b;
INSERT INTO frames (id, branch_id, kode_frame, merk_frame, harga_jual_frame, stok)
SELECT i, (i - 1) / 200 + 1, 'FRM-' || lpad(i::text, 5, '0'),
       'Frame kacamata titanium ringan, gagang lentur, warna hitam doff, lensa antiradiasi, '
           || 'garansi dua tahun, lengkap dengan kotak dan kain pembersih', 500000, 20 + i % 40
FROM generate_series(1, 10000) AS i;
INSERT INTO sessions (id, user_id, data, expires_at)
SELECT rtrim(translate(encode(decode(lpad(to_hex(b::int), 32, '0'), 'hex'), 'base64'), '+/', '-_'), '='),
       b, jsonb_build_object('user_id', b, 'signed_in_at', extract(epoch FROM now())::bigint, 'extended_at', extract(epoch FROM now())::bigint),
       now() + interval '11 hours 59 minutes'
FROM generate_series(1, 50) b;
-- Ids were given: the next one is the database's own.
SELECT setval(pg_get_serial_sequence('frames', 'id'), (SELECT max(id) FROM frames));
