//! config

#[derive(Debug, Clone)]
pub struct Config {
    /// The session cookie is sent over HTTPS only.
    pub secure_cookies: bool,
}
