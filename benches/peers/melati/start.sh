#!/bin/sh
# Melati as a peer of the load generator's harness: 50 branches of 200 frames, an admin signed in in each, the real session
# check, the real feed. Gets PORT, RUN (scratch) and PGHOST, PGPORT, PGUSER; leaves one Cookie header a branch in $RUN/cookies.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
melati=${MELATI_BIN:-$here/../../../target/release/melati}
export PGDATABASE=melati
export DATABASE_URL="postgres://$PGUSER@localhost:${PGPORT:-5432}/melati?host=$PGHOST"
dropdb --if-exists --force melati && createdb melati
"$melati" migrate
psql -qX -v ON_ERROR_STOP=1 <<'SQL'
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
SQL
psql -qX -c 'VACUUM ANALYZE'
psql -qXAt -c "SELECT 'Cookie: melati_session=' || id FROM sessions ORDER BY user_id" > "$RUN/cookies"
exec "$melati" serve --listen "127.0.0.1:$PORT" --max-streams 19900 --max-streams-per-user 19900
