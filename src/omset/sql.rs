//! One statement for everything the state streams say, for the branches asked for; its parts agree because it is one.

use sqlx::postgres::PgConnection;
use sqlx::types::Json;
use time::OffsetDateTime;

use super::{BranchDay, Days};
use crate::ids::BranchId;

/// `$1`: branch ids, or null for all. The sums read an index of the day's sales; the newest five read another.
const DAYS: &str = "
WITH day AS MATERIALIZED (
    SELECT b.id AS branch_id, b.name, b.timezone, d.starts_at, d.ends_at, o.id IS NOT NULL AS opened,
           coalesce(o.is_open, false) AS is_open, to_char(o.opened_at AT TIME ZONE b.timezone, 'HH24:MI') AS open_time
    FROM branches b
    JOIN branch_days d ON d.branch_id = b.id
    LEFT JOIN open_days o ON o.branch_id = b.id AND o.tanggal = d.tanggal
    WHERE $1::bigint[] IS NULL OR b.id = ANY ($1)
), taken AS MATERIALIZED (
    SELECT day.branch_id, p.user_id, sum(p.omset_bpjs)::bigint AS omset_bpjs, sum(p.omset_umum)::bigint AS omset_umum, count(*) AS jumlah
    FROM day JOIN penjualans p ON p.branch_id = day.branch_id AND p.created_at >= day.starts_at AND p.created_at < day.ends_at
    WHERE day.opened
    GROUP BY day.branch_id, p.user_id
), people AS MATERIALIZED (
    SELECT day.branch_id, u.id AS user_id, u.name FROM day JOIN users u ON u.branch_id = day.branch_id
    WHERE u.role = 'kasir' AND u.is_active
    UNION
    SELECT taken.branch_id, u.id, u.name FROM taken JOIN users u ON u.id = taken.user_id
)
SELECT jsonb_build_object(
    'branch_id', day.branch_id, 'branch_name', day.name, 'open_day_status', day.is_open, 'open_time', day.open_time,
    'stok', (
        SELECT jsonb_build_object('low', count(*) FILTER (WHERE alert_level = 'low'), 'medium', count(*) FILTER (WHERE alert_level = 'medium'))
        FROM (SELECT alert_level FROM frames WHERE branch_id = day.branch_id AND alert_level <> 'normal'
              UNION ALL SELECT alert_level FROM lensas WHERE branch_id = day.branch_id AND alert_level <> 'normal'
              UNION ALL SELECT alert_level FROM aksesoris WHERE branch_id = day.branch_id AND alert_level <> 'normal') alerts),
    'terbaru', (
        SELECT coalesce(jsonb_agg(newest.sale), '[]') FROM (
            SELECT latest_sale(p, day.timezone) AS sale FROM penjualans p
            WHERE p.branch_id = day.branch_id ORDER BY p.created_at DESC, p.id DESC LIMIT 5) newest),
    'kasirs', (
        SELECT coalesce(jsonb_agg(jsonb_build_object(
            'user_id', people.user_id, 'name', people.name,
            'omset_bpjs', coalesce(taken.omset_bpjs, 0), 'omset_umum', coalesce(taken.omset_umum, 0), 'jumlah_transaksi', coalesce(taken.jumlah, 0),
            'terbaru', (
                SELECT coalesce(jsonb_agg(newest.sale), '[]') FROM (
                    SELECT latest_sale(p, day.timezone) AS sale FROM penjualans p
                    WHERE p.user_id = people.user_id AND p.branch_id = day.branch_id ORDER BY p.created_at DESC, p.id DESC LIMIT 5) newest)
            ) ORDER BY coalesce(taken.omset_bpjs + taken.omset_umum, 0) DESC, people.name, people.user_id), '[]')
        FROM people LEFT JOIN taken USING (branch_id, user_id)
        WHERE people.branch_id = day.branch_id)
)
FROM day";

/// The days of these branches; of all with `None`. A branch that is gone is not in the answer.
pub async fn days(connection: &mut PgConnection, branches: Option<&[BranchId]>) -> sqlx::Result<Days> {
    let rows: Vec<Json<BranchDay>> = sqlx::query_scalar(DAYS).bind(branches).fetch_all(connection).await?;
    Ok(rows.into_iter().map(|Json(day)| (day.branch_id, day)).collect())
}

/// When the next branch's day ends: then its figures start again from zero though nothing was written.
pub async fn next_midnight(connection: &mut PgConnection) -> sqlx::Result<Option<(OffsetDateTime, OffsetDateTime)>> {
    sqlx::query_as("SELECT min(ends_at), now() FROM branch_days HAVING count(*) > 0").fetch_optional(connection).await
}
