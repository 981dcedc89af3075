//! The SQL of notifications. Who may see one is said once, in `visible!`.

use sqlx::PgPool;
use time::Date;

use super::{Announcement, Filter, Inbox, Notice, Reading, Sent};
use crate::audit;
use crate::ids::{BranchId, NotificationId};
use crate::refusal::Outcome;
use crate::scope::Viewer;

/// `$1` the reader's role, `$2` the one branch they look at or null, `n` the notification.
macro_rules! visible {
    () => {
        "($2::bigint IS NULL OR n.branch_id IS NULL OR n.branch_id = $2)
         AND ($1 = 'super_admin' OR n.audience IS NULL OR n.audience = $1) AND (n.ends_at IS NULL OR n.ends_at > now())"
    };
}

/// Older ones count as read: nobody works through them, and counting stays cheap however long the chain has been at it.
macro_rules! unread_reach {
    () => {
        "500"
    };
}

/// The newest that counts as read because of its age, as an id.
macro_rules! floor {
    () => {
        concat!(
            "coalesce((SELECT n.id FROM notifications n WHERE ",
            visible!(),
            " ORDER BY n.id DESC OFFSET ",
            unread_reach!(),
            " LIMIT 1), 0)"
        )
    };
}

/// `$3` is the reader.
macro_rules! unread {
    () => {
        concat!(
            "n.id > floor.id AND NOT EXISTS (SELECT FROM notification_reads r WHERE r.user_id = $3 AND r.notification_id = n.id)"
        )
    };
}

const IN_BELL: i64 = 8;

pub async fn inbox(pool: &PgPool, viewer: &Viewer) -> sqlx::Result<Inbox> {
    Ok(Inbox {
        unread: unread(pool, viewer).await?,
        latest: list(pool, viewer, Filter::default(), IN_BELL, 0).await?,
        muted: muted(pool, viewer).await?,
    })
}

/// How many are unread; 100 stands for 100 or more.
pub async fn unread(pool: &PgPool, viewer: &Viewer) -> sqlx::Result<i64> {
    sqlx::query_scalar(concat!(
        "SELECT count(*) FROM (
             SELECT FROM (SELECT n.id FROM notifications n WHERE ",
        visible!(),
        " ORDER BY n.id DESC LIMIT ",
        unread_reach!(),
        ") recent
             WHERE NOT EXISTS (SELECT FROM notification_reads r WHERE r.user_id = $3 AND r.notification_id = recent.id)
             LIMIT 100) unread"
    ))
    .bind(viewer.role)
    .bind(viewer.branches().one())
    .bind(viewer.id)
    .fetch_one(pool)
    .await
}

/// Newest first.
pub async fn list(
    pool: &PgPool,
    viewer: &Viewer,
    filter: Filter,
    limit: i64,
    offset: i64,
) -> sqlx::Result<Vec<Notice>> {
    sqlx::query_as(concat!(
        "SELECT n.id, n.type, n.title, n.message, n.data, n.created_at, waktu(n.created_at, zone.name) AS waktu, ",
        unread!(),
        " AS is_unread,
                CASE WHEN a.acked_at IS NOT NULL THEN 'Ditangani ' || coalesce(who.name || ' ', '') || 'setelah ' || lama(a.acked_at - a.opened_at)
                     WHEN a.closed_at IS NOT NULL THEN 'Terisi setelah ' || lama(a.closed_at - a.opened_at)
                     WHEN a.snoozed_until > now() THEN 'Ditunda sampai ' || waktu(a.snoozed_until, zone.name)
                     WHEN a.id IS NOT NULL THEN 'Belum ditanggapi' END AS answer,
                CASE WHEN a.acked_at IS NULL AND a.closed_at IS NULL AND (a.snoozed_until > now()) IS NOT TRUE THEN a.id END AS alert_id
         FROM notifications n
         CROSS JOIN (SELECT coalesce((SELECT timezone FROM branches WHERE id = $2), 'Asia/Jakarta') AS name) zone
         CROSS JOIN (SELECT ",
        floor!(),
        " AS id) floor
         LEFT JOIN LATERAL (
             SELECT * FROM stock_alerts a
             WHERE n.type = 'stock_alert' AND a.product_type = n.data->>'product_type' AND a.opened_at <= n.created_at
               AND a.product_id = CASE WHEN n.data->>'product_id' ~ '^[0-9]{1,18}$' THEN (n.data->>'product_id')::bigint END
             ORDER BY a.id DESC LIMIT 1
         ) a ON true
         LEFT JOIN users who ON who.id = a.acked_by
         WHERE ",
        visible!(),
        " AND ($6::text[] IS NULL OR n.type = ANY ($6))
          AND ($7::integer IS NULL OR n.created_at >= ((now() AT TIME ZONE zone.name)::date - $7)::timestamp AT TIME ZONE zone.name)
          AND ($8 = 'all' OR ",
        unread!(),
        ") ORDER BY n.id DESC LIMIT $4 OFFSET $5"
    ))
    .bind(viewer.role)
    .bind(viewer.branches().one())
    .bind(viewer.id)
    .bind(limit)
    .bind(offset)
    .bind(filter.group.map(|group| group.types))
    .bind(filter.period.days_before())
    .bind(match filter.reading {
        Reading::All => "all",
        Reading::Unread => "unread",
    })
    .fetch_all(pool)
    .await
}

/// Of these, the ones that the reader has not read yet: for a page that shows them and was not told what was read elsewhere.
pub async fn unread_among(pool: &PgPool, viewer: &Viewer, shown: &[i64]) -> sqlx::Result<Vec<NotificationId>> {
    sqlx::query_scalar(concat!(
        "SELECT n.id FROM notifications n CROSS JOIN (SELECT ",
        floor!(),
        " AS id) floor WHERE n.id = ANY ($4) AND ",
        visible!(),
        " AND ",
        unread!(),
    ))
    .bind(viewer.role)
    .bind(viewer.branches().one())
    .bind(viewer.id)
    .bind(shown)
    .fetch_all(pool)
    .await
}

/// One that the reader cannot see is left alone, as if it were not there.
pub async fn mark_read(pool: &PgPool, viewer: &Viewer, id: NotificationId) -> sqlx::Result<()> {
    sqlx::query(concat!(
        "INSERT INTO notification_reads (user_id, notification_id) SELECT $3, n.id FROM notifications n WHERE n.id = $4 AND ",
        visible!(),
        " ON CONFLICT DO NOTHING"
    ))
    .bind(viewer.role)
    .bind(viewer.branches().one())
    .bind(viewer.id)
    .bind(id)
    .execute(pool)
    .await?;
    Ok(())
}

pub async fn mark_all_read(pool: &PgPool, viewer: &Viewer) -> sqlx::Result<()> {
    sqlx::query(concat!(
        "INSERT INTO notification_reads (user_id, notification_id)
         SELECT $3, recent.id FROM (SELECT n.id FROM notifications n WHERE ",
        visible!(),
        " ORDER BY n.id DESC LIMIT ",
        unread_reach!(),
        ") recent ON CONFLICT DO NOTHING"
    ))
    .bind(viewer.role)
    .bind(viewer.branches().one())
    .bind(viewer.id)
    .execute(pool)
    .await?;
    Ok(())
}

pub async fn muted(pool: &PgPool, viewer: &Viewer) -> sqlx::Result<Vec<String>> {
    sqlx::query_scalar("SELECT type FROM notification_mutes WHERE user_id = $1 ORDER BY type")
        .bind(viewer.id)
        .fetch_all(pool)
        .await
}

/// From now on these and no others.
pub async fn mute(pool: &PgPool, viewer: &Viewer, types: &[&str]) -> sqlx::Result<()> {
    sqlx::query(
        "WITH gone AS (DELETE FROM notification_mutes WHERE user_id = $1 AND type <> ALL ($2))
         INSERT INTO notification_mutes (user_id, type) SELECT $1, unnest($2::text[]) ON CONFLICT DO NOTHING",
    )
    .bind(viewer.id)
    .bind(types)
    .execute(pool)
    .await?;
    Ok(())
}

/// The day of a branch; of all of them, the one of the head office.
pub async fn today(pool: &PgPool, branch: Option<BranchId>) -> sqlx::Result<Date> {
    sqlx::query_scalar(
        "SELECT (now() AT TIME ZONE coalesce((SELECT timezone FROM branches WHERE id = $1), 'Asia/Jakarta'))::date",
    )
    .bind(branch)
    .fetch_one(pool)
    .await
}

/// Tells it. The audit log has it by a trigger.
pub async fn announce(pool: &PgPool, viewer: &Viewer, announcement: &Announcement) -> Outcome<()> {
    let mut transaction = pool.begin().await?;
    audit::sql::sign(&mut transaction, viewer).await?;
    sqlx::query(
        "INSERT INTO notifications (branch_id, audience, type, title, message, data, author_id, ends_at)
         VALUES ($1, $2, 'announcement', $3, $4, jsonb_build_object('from', $5::text), $6,
                 ($7::date + 1)::timestamp AT TIME ZONE coalesce((SELECT timezone FROM branches WHERE id = $1), 'Asia/Jakarta'))",
    )
    .bind(announcement.branch)
    .bind(announcement.audience)
    .bind(&announcement.title)
    .bind(&announcement.message)
    .bind(&viewer.name)
    .bind(viewer.id)
    .bind(announcement.until)
    .execute(&mut *transaction)
    .await?;
    Ok(transaction.commit().await?)
}

/// Newest first: those to the branch that the viewer works in, or all there are.
pub async fn sent(pool: &PgPool, viewer: &Viewer, limit: i64) -> sqlx::Result<Vec<Sent>> {
    sqlx::query_as(
        "SELECT n.id, n.title, n.message, n.data->>'from' AS from, b.name AS branch_name, n.audience, waktu(n.created_at, zone.name) AS waktu,
                to_char((n.ends_at - interval '1 second') AT TIME ZONE zone.name, 'DD/MM/YYYY') AS until,
                coalesce(n.ends_at <= now(), false) AS has_ended,
                (SELECT count(*) FROM notification_reads r WHERE r.notification_id = n.id) AS readers
         FROM notifications n LEFT JOIN branches b ON b.id = n.branch_id
         CROSS JOIN LATERAL (SELECT coalesce(b.timezone, 'Asia/Jakarta') AS name) zone
         WHERE n.type = 'announcement' AND ($1::bigint IS NULL OR n.branch_id = $1) ORDER BY n.id DESC LIMIT $2",
    )
    .bind(viewer.home)
    .bind(limit)
    .fetch_all(pool)
    .await
}
