//! What goes wrong, for its two readers: the person gets a sentence and a status (chosen only here), the operator one log
//! line with the inside of it. The inside never crosses the wire.

use std::any::Any;
use std::collections::BTreeMap;
use std::sync::Arc;

use askama::Template;
use axum::Json;
use axum::extract::Request;
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{Html, IntoResponse, Redirect, Response};

use super::page::{Asked, Theme};
use crate::refusal::Refusal;

/// What a person reads out when something broke, and what the log knows the request by.
#[derive(Debug, Clone)]
pub struct RequestId(pub(super) String);

/// Why a handler has no answer.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Nobody is signed in.
    #[error("not signed in")]
    SignIn,
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// A rate or a number of connections is used up.
    #[error("too many")]
    TooMany { retry_after_seconds: u32 },
    /// This process is going away.
    #[error("draining")]
    Draining { retry_after_seconds: u32 },
    /// Somebody else knows the password: nothing else until there is a new one.
    #[error("the password must be changed first")]
    ChangePassword,
    #[error("{0}")]
    Broken(Box<dyn std::error::Error + Send + Sync>),
}

impl Error {
    pub fn not_found() -> Self {
        Self::Refused(Refusal::NotFound)
    }

    pub fn broken(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Broken(error.into())
    }
}

impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Self {
        Self::Refused(error.into())
    }
}

impl From<Arc<sqlx::Error>> for Error {
    fn from(error: Arc<sqlx::Error>) -> Self {
        Self::Refused(error.into())
    }
}

impl From<tower_sessions::session::Error> for Error {
    fn from(error: tower_sessions::session::Error) -> Self {
        Self::broken(error)
    }
}

/// The database is away for now, as opposed to: we asked it something wrong.
fn is_away(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::PoolTimedOut | sqlx::Error::PoolClosed | sqlx::Error::Io(_) | sqlx::Error::Tls(_) => true,
        sqlx::Error::Database(error) => {
            error.code().is_some_and(|code| AWAY.iter().any(|beginning| code.starts_with(beginning)))
        }
        _ => false,
    }
}

/// Text that the database cannot hold (the zero byte), a number or a date beyond what it counts: the asker's mistake.
fn is_unreadable(error: &sqlx::Error) -> bool {
    let sqlx::Error::Database(error) = error else { return false };
    error.code().is_some_and(|code| ["22021", "22003", "22008"].contains(&code.as_ref()))
}

/// Beginnings of SQLSTATEs after which the same request may well succeed: nothing of it was written, and it is not at fault.
const AWAY: [&str; 10] = [
    "08",    // connection exceptions
    "53",    // disk full, out of memory, too many connections
    "57P",   // shutting down, starting, crashed
    "57014", // cancelled: statement_timeout
    "55P03", // lock_timeout
    "40001", // serialization failure
    "40P01", // deadlock: the other one has won
    "25P03", // idle_in_transaction_session_timeout
    "25006", // read-only: a standby, before it is promoted or after it was not
    "58030", // input/output error
];

/// How soon a client may ask again when the database was away.
const DATABASE_RETRY_SECONDS: u32 = 2;

/// An error on its way out: [`dress`] makes a page or JSON of it.
#[derive(Debug, Clone)]
struct Failure {
    status: StatusCode,
    code: &'static str,
    message: String,
    fields: BTreeMap<String, String>,
    retry_after_seconds: Option<u32>,
}

impl Failure {
    fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into(), fields: BTreeMap::new(), retry_after_seconds: None }
    }

    fn retry_after(mut self, seconds: u32) -> Self {
        self.retry_after_seconds = Some(seconds);
        self
    }

    fn internal() -> Self {
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "internal",
            "Ada yang salah di pihak kami. Coba sekali lagi; yang sudah tersimpan tetap aman.",
        )
    }

    fn unavailable(seconds: u32) -> Self {
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "unavailable",
            "Layanan sedang menyambung kembali. Coba lagi beberapa detik lagi.",
        )
        .retry_after(seconds)
    }

    /// Refusals of axum and of the layers: they choose a status, the words are ours.
    fn of_bare(status: StatusCode, method: &Method) -> Self {
        match status {
            StatusCode::UNAUTHORIZED => Error::SignIn.failure(),
            StatusCode::FORBIDDEN => Error::from(Refusal::Forbidden).failure(),
            StatusCode::NOT_FOUND => Error::not_found().failure(),
            // an address that does not parse (/penjualan/abc) is not there
            StatusCode::BAD_REQUEST if method == Method::GET => Error::not_found().failure(),
            StatusCode::METHOD_NOT_ALLOWED => {
                Self::new(status, "method_not_allowed", "Alamat ini tidak menerima permintaan seperti itu.")
            }
            StatusCode::PAYLOAD_TOO_LARGE => Self::new(status, "too_large", "Kiriman ini terlalu besar."),
            StatusCode::REQUEST_TIMEOUT => {
                Self::new(status, "too_slow", "Kiriman ini tidak sampai seluruhnya. Coba sekali lagi.")
            }
            StatusCode::TOO_MANY_REQUESTS => Error::TooMany { retry_after_seconds: 10 }.failure(),
            StatusCode::SERVICE_UNAVAILABLE => Self::unavailable(DATABASE_RETRY_SECONDS),
            _ if status.is_server_error() => Self::internal(),
            _ => Self::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid", "Isian tidak lengkap atau tidak terbaca."),
        }
    }
}

/// The code by which [`dress`] knows where to send people.
const CHANGE_PASSWORD: &str = "password_must_change";

impl Error {
    fn failure(&self) -> Failure {
        match self {
            Self::SignIn | Self::Refused(Refusal::SignedOut) => {
                Failure::new(StatusCode::UNAUTHORIZED, "unauthenticated", "Silakan masuk dulu.")
            }
            Self::ChangePassword => Failure::new(
                StatusCode::FORBIDDEN,
                CHANGE_PASSWORD,
                "Ganti dulu kata sandi Anda: yang sekarang dibuat orang lain.",
            ),
            Self::Refused(Refusal::NotFound) => {
                Failure::new(StatusCode::NOT_FOUND, "not_found", "Tidak ada, atau milik cabang lain.")
            }
            Self::Refused(Refusal::Forbidden) => {
                Failure::new(StatusCode::FORBIDDEN, "forbidden", "Peran Anda tidak punya akses untuk ini.")
            }
            Self::Refused(Refusal::Conflict { code, message, fields }) => {
                Failure { fields: fields.clone(), ..Failure::new(StatusCode::CONFLICT, code, message) }
            }
            Self::Refused(Refusal::Invalid(fields)) => {
                let message = fields.values().next().map_or("Isian perlu diperbaiki.", String::as_str);
                let mut failure = Failure::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid", message);
                failure.fields = fields.clone();
                failure
            }
            Self::Refused(Refusal::Database(error)) if is_unreadable(error) => {
                Failure::of_bare(StatusCode::UNPROCESSABLE_ENTITY, &Method::POST)
            }
            Self::Refused(Refusal::Database(error)) if is_away(error) => Failure::unavailable(DATABASE_RETRY_SECONDS),
            Self::TooMany { retry_after_seconds } => Failure::new(
                StatusCode::TOO_MANY_REQUESTS,
                "too_many_requests",
                "Terlalu banyak permintaan. Tunggu sebentar, lalu coba lagi.",
            )
            .retry_after(*retry_after_seconds),
            Self::Draining { retry_after_seconds } => Failure::unavailable(*retry_after_seconds),
            Self::Refused(Refusal::Database(_)) | Self::Broken(_) => Failure::internal(),
        }
    }
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        let failure = self.failure();
        match &self {
            Self::Refused(Refusal::Database(error)) if !is_unreadable(error) => {
                tracing::error!(%error, "the database did not answer as it should")
            }
            Self::Broken(error) => tracing::error!(%error, "a request broke"),
            _ => {}
        }
        let mut response = failure.status.into_response();
        response.extensions_mut().insert(failure);
        response
    }
}

/// A handler's panic is a 500, not the end of the process.
pub(super) fn panicked(panic: Box<dyn Any + Send + 'static>) -> Response {
    let what = panic.downcast_ref::<&str>().copied().or(panic.downcast_ref::<String>().map(String::as_str));
    tracing::error!(panic = what.unwrap_or("of an unknown kind"), "a handler panicked");
    StatusCode::INTERNAL_SERVER_ERROR.into_response()
}

#[derive(Template)]
#[template(path = "error.html")]
struct ErrorPage<'a> {
    theme: Theme,
    number: u16,
    short: &'a str,
    heading: &'a str,
    failure: &'a Failure,
    request_id: Option<&'a str>,
    back: Option<&'a str>,
}

impl Failure {
    fn page(&self, asked: &Asked, id: Option<&RequestId>) -> Response {
        let (short, heading) = match self.status {
            StatusCode::FORBIDDEN => ("Tidak punya akses", "Ini bukan untuk peran Anda"),
            StatusCode::NOT_FOUND => ("Tidak ditemukan", "Halaman ini tidak ada"),
            StatusCode::CONFLICT => ("Belum bisa", "Belum bisa dilakukan sekarang"),
            StatusCode::UNPROCESSABLE_ENTITY => ("Isian perlu diperbaiki", "Ada isian yang belum pas"),
            StatusCode::TOO_MANY_REQUESTS => ("Terlalu sering", "Tunggu sebentar"),
            StatusCode::SERVICE_UNAVAILABLE => ("Sedang menyambung", "Kami sedang menyambung kembali"),
            status if status.is_server_error() => ("Ada gangguan", "Ada yang salah di pihak kami"),
            _ => ("Tidak bisa", "Permintaan ini tidak bisa dijalankan"),
        };
        let page = ErrorPage {
            theme: Theme::current(),
            number: self.status.as_u16(),
            short,
            heading,
            failure: self,
            request_id: id.map(|id| id.0.as_str()).filter(|_| self.status.is_server_error()),
            back: asked.back.as_deref(),
        };
        match page.render() {
            Ok(html) => Html(html).into_response(),
            Err(error) => {
                tracing::error!(%error, "the error page itself broke");
                self.message.clone().into_response()
            }
        }
    }

    fn json(&self) -> Response {
        let mut error = serde_json::json!({ "code": self.code, "message": self.message });
        if !self.fields.is_empty() {
            error["fields"] = serde_json::json!(self.fields);
        }
        Json(serde_json::json!({ "error": error })).into_response()
    }
}

/// Gives every failed answer its form: a page for people, JSON for scripts, and the way to the sign-in page for those
/// who came for a page without being signed in.
pub(super) async fn dress(request: Request, next: Next) -> Response {
    let asked = Asked::of(request.method(), request.uri(), request.headers());
    let id = request.extensions().get::<RequestId>().cloned();
    let method = request.method().clone();
    let theme = Theme::of(request.headers());
    let mut response = theme.scope(next.run(request)).await;

    let status = response.status();
    let failure = match response.extensions_mut().remove::<Failure>() {
        Some(failure) => failure,
        None if (status.is_client_error() || status.is_server_error()) && is_bare(&response) => {
            Failure::of_bare(status, &method)
        }
        None => return response,
    };
    let dressed = if !asked.page {
        failure.json()
    } else if failure.status == StatusCode::UNAUTHORIZED {
        Redirect::to(&asked.sign_in()).into_response()
    } else if failure.code == CHANGE_PASSWORD {
        Redirect::to("/akun/sandi").into_response()
    } else {
        theme.scope(async { failure.page(&asked, id.as_ref()) }).await
    };

    // What inner layers said besides (a cookie taken away) stays said.
    let (mut parts, _) = response.into_parts();
    let (dress, body) = dressed.into_parts();
    parts.status = if dress.status == StatusCode::OK { failure.status } else { dress.status };
    parts.headers.remove(header::CONTENT_LENGTH);
    parts.headers.extend(dress.headers.into_iter().filter_map(|(name, value)| Some((name?, value))));
    parts.headers.insert(header::VARY, HeaderValue::from_static("accept"));
    if let Some(seconds) = failure.retry_after_seconds {
        parts.headers.insert(header::RETRY_AFTER, seconds.into());
    }
    Response::from_parts(parts, body)
}

/// Not a page or JSON that a handler wrote itself.
fn is_bare(response: &Response) -> bool {
    response.headers().get(header::CONTENT_TYPE).is_none_or(|kind| kind.as_bytes().starts_with(b"text/plain"))
}
