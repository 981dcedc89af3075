//! One statement for everything the state streams say, for the branches asked for; its parts agree because it is one.

use sqlx::postgres::PgConnection;
use sqlx::types::Json;
use time::OffsetDateTime;

use super::{BranchDay, Days, HOURS, PastHours, SpanLine};
use crate::ids::{BranchId, UserId};
use crate::money::Rupiah;
use crate::scope::Branches;

/// `$1`: branch ids, or null for all. The sums read an index of the day's sales; the newest five read another.
const DAYS: &str = "
WITH day AS MATERIALIZED (
    SELECT b.id AS branch_id, b.name, b.timezone, coalesce(b.retired_at < d.starts_at, false) AS is_retired, d.starts_at, d.ends_at, o.id IS NOT NULL AS opened,
           coalesce(o.is_open, false) AS is_open, to_char(o.opened_at AT TIME ZONE b.timezone, 'HH24:MI') AS open_time,
           CASE WHEN NOT o.is_open THEN to_char(o.closed_at AT TIME ZONE b.timezone, 'HH24:MI') END AS close_time,
           d.tanggal, now() AT TIME ZONE b.timezone AS clock
    FROM branches b
    JOIN branch_days d ON d.branch_id = b.id
    LEFT JOIN open_days o ON o.branch_id = b.id AND o.tanggal = d.tanggal
    WHERE $1::bigint[] IS NULL OR b.id = ANY ($1)
), hours AS MATERIALIZED (
    SELECT day.branch_id, extract(hour FROM p.created_at AT TIME ZONE day.timezone)::integer AS hour, sum(p.total)::bigint AS total
    FROM day JOIN penjualans p ON p.branch_id = day.branch_id AND p.created_at >= day.starts_at AND p.created_at < day.ends_at
    WHERE day.opened AND p.dibatalkan_at IS NULL
    GROUP BY 1, 2
), taken AS MATERIALIZED (
    SELECT day.branch_id, p.user_id, sum(p.omset_bpjs)::bigint AS omset_bpjs, sum(p.omset_umum)::bigint AS omset_umum, count(*) AS jumlah
    FROM day JOIN penjualans p ON p.branch_id = day.branch_id AND p.created_at >= day.starts_at AND p.created_at < day.ends_at
    WHERE day.opened AND p.dibatalkan_at IS NULL
    GROUP BY day.branch_id, p.user_id
), people AS MATERIALIZED (
    SELECT day.branch_id, u.id AS user_id, u.name FROM day JOIN users u ON u.branch_id = day.branch_id
    WHERE u.role = 'kasir' AND u.is_active
    UNION
    SELECT taken.branch_id, u.id, u.name FROM taken JOIN users u ON u.id = taken.user_id
)
SELECT jsonb_build_object(
    'branch_id', day.branch_id, 'branch_name', day.name, 'is_retired', day.is_retired, 'open_day_status', day.is_open, 'open_time', day.open_time,
    'close_time', day.close_time, 'tanggal', day.tanggal, 'jam', extract(hour FROM day.clock)::integer,
    'per_jam', (
        SELECT jsonb_agg(coalesce(hours.total, 0) ORDER BY clock.hour)
        FROM generate_series(0, 23) clock (hour) LEFT JOIN hours ON hours.hour = clock.hour AND hours.branch_id = day.branch_id),
    'kemarin', (
        SELECT coalesce(sum(p.total), 0)::bigint FROM penjualans p
        WHERE p.branch_id = day.branch_id AND p.dibatalkan_at IS NULL
          AND p.created_at >= (day.tanggal - 1)::timestamp AT TIME ZONE day.timezone
          AND p.created_at < (day.clock - interval '1 day') AT TIME ZONE day.timezone),
    'pekan_lalu', (
        SELECT coalesce(sum(p.total), 0)::bigint FROM penjualans p
        WHERE p.branch_id = day.branch_id AND p.dibatalkan_at IS NULL
          AND p.created_at >= (day.tanggal - 7)::timestamp AT TIME ZONE day.timezone
          AND p.created_at < (day.clock - interval '7 days') AT TIME ZONE day.timezone),
    'stok', stock_totals(day.branch_id),
    'terbaru', (
        SELECT coalesce(jsonb_agg(newest.sale), '[]') FROM (
            SELECT latest_sale(p, day.timezone) AS sale FROM penjualans p
            WHERE p.branch_id = day.branch_id AND p.dibatalkan_at IS NULL ORDER BY p.created_at DESC, p.id DESC LIMIT 5) newest),
    'kasirs', (
        SELECT coalesce(jsonb_agg(jsonb_build_object(
            'user_id', people.user_id, 'name', people.name,
            'omset_bpjs', coalesce(taken.omset_bpjs, 0), 'omset_umum', coalesce(taken.omset_umum, 0), 'jumlah_transaksi', coalesce(taken.jumlah, 0),
            'terbaru', (
                SELECT coalesce(jsonb_agg(newest.sale), '[]') FROM (
                    SELECT latest_sale(p, day.timezone) AS sale FROM penjualans p
                    WHERE p.user_id = people.user_id AND p.branch_id = day.branch_id AND p.dibatalkan_at IS NULL ORDER BY p.created_at DESC, p.id DESC LIMIT 5) newest)
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

/// The takings of each hour, yesterday and on the same weekday of last week. Of several branches: each by its own clock.
pub async fn past_hours(connection: &mut PgConnection, branches: Branches) -> sqlx::Result<PastHours> {
    let rows: Vec<(i32, i32, Rupiah)> = sqlx::query_as(
        "SELECT past.days, extract(hour FROM p.created_at AT TIME ZONE b.timezone)::integer AS hour, sum(p.total)::bigint
         FROM branches b
         JOIN branch_days d ON d.branch_id = b.id
         CROSS JOIN (VALUES (1), (7)) past (days)
         JOIN penjualans p ON p.branch_id = b.id AND p.dibatalkan_at IS NULL
                          AND p.created_at >= (d.tanggal - past.days)::timestamp AT TIME ZONE b.timezone
                          AND p.created_at < (d.tanggal - past.days + 1)::timestamp AT TIME ZONE b.timezone
         WHERE $1::bigint IS NULL OR b.id = $1
         GROUP BY 1, 2",
    )
    .bind(branches.one())
    .fetch_all(connection)
    .await?;
    let mut past = PastHours { kemarin: [Rupiah::ZERO; HOURS], pekan_lalu: [Rupiah::ZERO; HOURS] };
    for (days, hour, total) in rows {
        let hours = if days == 1 { &mut past.kemarin } else { &mut past.pekan_lalu };
        if let Some(place) = usize::try_from(hour).ok().and_then(|hour| hours.get_mut(hour)) {
            *place = total;
        }
    }
    Ok(past)
}

/// The takings of the last `days` days, today included: a line for each branch, day and kasir with a sale, and one without a
/// kasir for each branch and day, so that a day without a sale is there, too. `kasir` none: everybody's. The sales are read
/// from an index alone.
pub async fn span(
    connection: &mut PgConnection,
    branches: Branches,
    kasir: Option<UserId>,
    days: i32,
) -> sqlx::Result<Vec<SpanLine>> {
    sqlx::query_as(
        "WITH day AS MATERIALIZED (
             SELECT b.id AS branch_id, b.name AS branch_name, b.timezone, d.tanggal,
                    (d.tanggal - ($3::integer - 1))::timestamp AT TIME ZONE b.timezone AS starts_at,
                    -- today counts once it has been opened, here as everywhere
                    CASE WHEN o.id IS NULL THEN d.starts_at ELSE d.ends_at END AS ends_at
             FROM branches b
             JOIN branch_days d ON d.branch_id = b.id
             LEFT JOIN open_days o ON o.branch_id = b.id AND o.tanggal = d.tanggal
             WHERE $1::bigint IS NULL OR b.id = $1
         ), taken AS MATERIALIZED (
             SELECT day.branch_id, (p.created_at AT TIME ZONE day.timezone)::date AS tanggal, p.user_id,
                    sum(p.omset_bpjs)::bigint AS omset_bpjs, sum(p.omset_umum)::bigint AS omset_umum, count(*) AS jumlah_transaksi
             FROM day JOIN penjualans p ON p.branch_id = day.branch_id AND p.created_at >= day.starts_at AND p.created_at < day.ends_at
             WHERE p.dibatalkan_at IS NULL AND ($2::bigint IS NULL OR p.user_id = $2)
             GROUP BY 1, 2, 3
         )
         SELECT taken.branch_id, day.branch_name, taken.tanggal, taken.user_id, u.name, omset_bpjs, omset_umum, jumlah_transaksi
         FROM taken JOIN day USING (branch_id) JOIN users u ON u.id = taken.user_id
         UNION ALL
         SELECT day.branch_id, day.branch_name, day.tanggal - back, NULL, NULL, 0, 0, 0
         FROM day CROSS JOIN generate_series(0, $3::integer - 1) back",
    )
    .bind(branches.one())
    .bind(kasir)
    .bind(days)
    .fetch_all(connection)
    .await
}
