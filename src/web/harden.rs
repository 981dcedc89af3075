//! What every answer tells the browser that it must not do, whichever router it comes from: the pages, `early.rs` before there is
//! a database, `telemetry.rs` on its own address. A page or not, because what is not one must not be taken for one.

use axum::http::{HeaderName, HeaderValue, header};
use axum::response::Response;

/// No exceptions for inline script or style: state lives in attributes, bar lengths are SVG attributes.
const CONTENT_SECURITY_POLICY: &str = "default-src 'self'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
     connect-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

/// How browsers reach us: the proxy that speaks TLS says nothing of it, the operator does (`--secure-cookies`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    Plain,
    Tls,
}

impl Transport {
    pub fn of(secure_cookies: bool) -> Self {
        if secure_cookies { Self::Tls } else { Self::Plain }
    }
}

/// Two years, as the preload lists ask. Not for subdomains, which may not be ours.
const ONLY_TLS: HeaderValue = HeaderValue::from_static("max-age=63072000");

/// For the outermost layer of every router.
pub(super) fn harden(mut response: Response, transport: Transport) -> Response {
    let headers = response.headers_mut();
    if transport == Transport::Tls {
        headers.insert(header::STRICT_TRANSPORT_SECURITY, ONLY_TLS);
    }
    for (name, value) in [
        (header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "same-origin"),
        // the camera only where there is something to scan: page::MAY_USE_CAMERA
        (HeaderName::from_static("permissions-policy"), "camera=(), microphone=(), geolocation=(), payment=()"),
        // pages hold patients' names and takings: not for a shared tablet's disk
        (header::CACHE_CONTROL, "no-store"),
    ] {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
    response
}
