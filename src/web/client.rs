//! Where a request comes from: the peer of the connection, or whom a proxy of ours names.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use axum::extract::{ConnectInfo, FromRequestParts, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use axum::middleware::Next;
use axum::response::Response;
use ipnet::IpNet;

use super::Error;
use crate::{App, audit};

/// Who sent the request, as far as a connection can say.
#[derive(Debug, Clone)]
pub struct Client {
    pub address: IpAddr,
    /// The browser's own words about itself, cut to a length worth keeping.
    pub device: String,
}

#[derive(Debug, Clone, Copy)]
struct Address(IpAddr);

/// Finds out the address once, for the handlers and for the log.
pub(super) async fn identify(State(app): State<App>, mut request: Request, next: Next) -> Response {
    let peer =
        request.extensions().get::<ConnectInfo<SocketAddr>>().map_or(Ipv4Addr::UNSPECIFIED.into(), |peer| peer.ip());
    let address = behind(peer, request.headers(), &app.config.trusted_proxies);
    request.extensions_mut().insert(Address(address));
    audit::acting_from(address, next.run(request)).await
}

/// The header is read from its end, where the proxies nearest to us write, and only as far as it was written by one that is
/// trusted: what stands before that anybody may have made up.
fn behind(peer: IpAddr, headers: &HeaderMap, trusted: &[IpNet]) -> IpAddr {
    let mut address = peer.to_canonical();
    let lines = headers.get_all("x-forwarded-for").iter().rev().filter_map(|line| line.to_str().ok());
    for hop in lines.flat_map(|line| line.rsplit(',')) {
        if !trusted.iter().any(|network| network.contains(&address)) {
            break;
        }
        let Ok(before) = hop.trim().parse::<IpAddr>() else { break };
        address = before.to_canonical();
    }
    address
}

const LONGEST_DEVICE: usize = 200;

impl FromRequestParts<App> for Client {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &App) -> Result<Self, Error> {
        let Address(address) = *parts.extensions.get().expect("identify lies around every route");
        let device = parts.headers.get(header::USER_AGENT).and_then(|device| device.to_str().ok()).unwrap_or_default();
        Ok(Self { address, device: device.chars().take(LONGEST_DEVICE).collect() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(peer: &str, forwarded: &[&str], trusted: &[&str]) -> String {
        let mut headers = HeaderMap::new();
        for line in forwarded {
            headers.append("x-forwarded-for", line.parse().unwrap());
        }
        let trusted: Vec<IpNet> = trusted.iter().map(|network| network.parse().unwrap()).collect();
        behind(peer.parse().unwrap(), &headers, &trusted).to_string()
    }

    #[test]
    fn a_claim_counts_as_far_as_a_proxy_of_ours_made_it() {
        let ours = ["127.0.0.1/32", "10.0.0.0/8"];
        assert_eq!(seen("203.0.113.9", &["1.1.1.1"], &ours), "203.0.113.9", "not from a proxy of ours");
        assert_eq!(seen("127.0.0.1", &["1.1.1.1"], &[]), "127.0.0.1", "no proxy is trusted unless it is said");
        assert_eq!(seen("127.0.0.1", &["1.1.1.1"], &ours), "1.1.1.1");
        assert_eq!(seen("127.0.0.1", &["6.6.6.6, 203.0.113.9"], &ours), "203.0.113.9", "the rest was made up");
        assert_eq!(seen("127.0.0.1", &["6.6.6.6", "203.0.113.9, 10.1.2.3"], &ours), "203.0.113.9");
        assert_eq!(seen("127.0.0.1", &["6.6.6.6, nonsense"], &ours), "127.0.0.1");
        assert_eq!(seen("::ffff:127.0.0.1", &["2001:db8::1"], &ours), "2001:db8::1");
    }
}
