//! The SQL of notifications. Who may see one is said once, in `visible!`.

use sqlx::PgPool;

use super::{Inbox, Notice};
use crate::ids::NotificationId;
use crate::scope::Viewer;

/// `$1` the reader's role, `$2` the one branch they look at or null, `n` the notification.
macro_rules! visible {
    () => {
        "($2::bigint IS NULL OR n.branch_id IS NULL OR n.branch_id = $2)
         AND ($1 = 'super_admin' OR n.audience IS NULL OR n.audience = $1)"
    };
}

/// A notification as a reader sees it: `$3` is the reader.
macro_rules! notice {
    () => {
        "SELECT n.id, n.type, n.title, n.message, n.data, n.created_at,
                CASE (now() AT TIME ZONE zone.name)::date - (n.created_at AT TIME ZONE zone.name)::date
                     WHEN 0 THEN to_char(n.created_at AT TIME ZONE zone.name, 'HH24:MI')
                     WHEN 1 THEN to_char(n.created_at AT TIME ZONE zone.name, '\"Kemarin\" HH24:MI')
                     ELSE to_char(n.created_at AT TIME ZONE zone.name, 'DD/MM HH24:MI') END AS waktu,
                NOT EXISTS (SELECT FROM notification_reads r WHERE r.user_id = $3 AND r.notification_id = n.id) AS is_unread
         FROM notifications n
         CROSS JOIN (SELECT coalesce((SELECT timezone FROM branches WHERE id = $2), 'Asia/Jakarta') AS name) zone"
    };
}

/// Older ones count as read: nobody works through them, and counting stays cheap however long the chain has been at it.
const UNREAD_REACH: i64 = 500;

const IN_BELL: i64 = 8;

pub async fn inbox(pool: &PgPool, viewer: &Viewer) -> sqlx::Result<Inbox> {
    Ok(Inbox { unread: unread(pool, viewer).await?, latest: list(pool, viewer, IN_BELL, 0).await? })
}

/// How many are unread; 100 stands for 100 or more.
pub async fn unread(pool: &PgPool, viewer: &Viewer) -> sqlx::Result<i64> {
    sqlx::query_scalar(concat!(
        "SELECT count(*) FROM (
             SELECT FROM (SELECT n.id FROM notifications n WHERE ",
        visible!(),
        " ORDER BY n.id DESC LIMIT $4) recent
             WHERE NOT EXISTS (SELECT FROM notification_reads r WHERE r.user_id = $3 AND r.notification_id = recent.id)
             LIMIT 100) unread"
    ))
    .bind(viewer.role)
    .bind(viewer.branches().one())
    .bind(viewer.id)
    .bind(UNREAD_REACH)
    .fetch_one(pool)
    .await
}

/// Newest first.
pub async fn list(pool: &PgPool, viewer: &Viewer, limit: i64, offset: i64) -> sqlx::Result<Vec<Notice>> {
    sqlx::query_as(concat!(notice!(), " WHERE ", visible!(), " ORDER BY n.id DESC LIMIT $4 OFFSET $5"))
        .bind(viewer.role)
        .bind(viewer.branches().one())
        .bind(viewer.id)
        .bind(limit)
        .bind(offset)
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
        " ORDER BY n.id DESC LIMIT $4) recent ON CONFLICT DO NOTHING"
    ))
    .bind(viewer.role)
    .bind(viewer.branches().one())
    .bind(viewer.id)
    .bind(UNREAD_REACH)
    .execute(pool)
    .await?;
    Ok(())
}
