//! The pages' own files (`static/dist`, built by `node static/build.mjs`), carried inside the binary.

use axum::Router;
use axum::extract::Path;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use rust_embed::RustEmbed;

use crate::App;
use crate::web::Error;

#[derive(RustEmbed)]
#[folder = "static/dist"]
struct Dist;

pub fn routes() -> Router<App> {
    Router::new()
        .route("/assets/{*path}", get(asset))
        // a service worker rules over what lies beside and below its own address
        .route("/sw.js", get(|headers: HeaderMap| asset(Path("sw.js".to_owned()), headers)))
}

/// Names do not change with their content, so browsers ask each time and are told in a few bytes that nothing changed.
async fn asset(Path(path): Path<String>, headers: HeaderMap) -> Result<Response, Error> {
    let file = Dist::get(&path).ok_or_else(Error::not_found)?;
    let etag = etag(&file.metadata.sha256_hash());
    let kept = [(header::ETAG, etag.clone()), (header::CACHE_CONTROL, "no-cache".to_owned())];
    if is_known(&headers, &etag) {
        return Ok((StatusCode::NOT_MODIFIED, kept).into_response());
    }
    Ok((kept, [(header::CONTENT_TYPE, content_type(&path))], file.data).into_response())
}

/// Weak: compression changes the bytes on the way, not what they mean.
fn etag(hash: &[u8; 32]) -> String {
    let short: String = hash[..12].iter().map(|byte| format!("{byte:02x}")).collect();
    format!("W/\"{short}\"")
}

fn is_known(headers: &HeaderMap, etag: &str) -> bool {
    let known = headers.get(header::IF_NONE_MATCH).and_then(|value| value.to_str().ok()).unwrap_or_default();
    known.split(',').any(|one| one.trim() == etag)
}

fn content_type(path: &str) -> String {
    let kind = mime_guess::from_path(path).first_or_octet_stream();
    match kind.essence_str() {
        "text/css" | "text/javascript" | "text/html" | "text/plain" | "image/svg+xml" => {
            format!("{}; charset=utf-8", kind.essence_str())
        }
        _ => kind.essence_str().to_owned(),
    }
}
