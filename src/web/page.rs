//! What pages have in common: rendering, the shell around them (navigation, badges, bell), the theme, and how a form is
//! answered.

use std::convert::Infallible;

use askama::Template;
use axum::Json;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, Method, Uri, header};
use axum::response::{Html, IntoResponse, Redirect, Response};
use rand::Rng;

use crate::App;
use crate::branches::{self, Branch, Today};
use crate::ids::BranchId;
use crate::notifications::{self, Inbox};
use crate::omset::StockTotals;
use crate::refusal::{Outcome, Refusal};
use crate::scope::{Role, Viewer};
use crate::stock;
use crate::stock::alerts::WorstRow;
use crate::web;

const PERMISSIONS: HeaderName = HeaderName::from_static("permissions-policy");

/// For pages that read barcodes; on all others the browser does not even ask.
pub const MAY_USE_CAMERA: [(HeaderName, &str); 1] =
    [(PERMISSIONS, "camera=(self), microphone=(), geolocation=(), payment=()")];

/// For what a page's script asks as soon as it is open. An answer that must not be stored at all keeps the page out of the
/// back/forward cache of Chromium; these hold no patient, and are asked again each time.
pub const ASKED_ANEW: [(HeaderName, &str); 1] = [(header::CACHE_CONTROL, "private, no-cache")];

/// A template as an answer.
pub struct Page<T>(pub T);

impl<T: Template> IntoResponse for Page<T> {
    fn into_response(self) -> Response {
        match self.0.render() {
            Ok(html) => Html(html).into_response(),
            Err(error) => web::Error::broken(error).into_response(),
        }
    }
}

/// Where in the navigation a page is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Nav {
    Home,
    /// The sales page: the sidebar shrinks to a rail.
    Sell,
    Sales,
    Orders,
    Stock,
    Alerts,
    Notifications,
    Reports,
    Patients,
    People,
    Branches,
    Rates,
    Audit,
    Monitoring,
    Account,
    /// On a phone: all that has no tab.
    More,
}

/// Everything `layout.html` shows around a page. A template extends the layout and holds one as `shell`.
pub struct Shell {
    pub title: String,
    pub nav: Nav,
    pub viewer: Viewer,
    /// The one branch looked at; none when a super admin looks at all.
    pub branch: Option<Branch>,
    /// What a super admin may switch to; empty for everyone else.
    pub switcher: Vec<Branch>,
    /// The day of `branch`.
    pub today: Option<Today>,
    /// How many branches of the chain are open, as last told.
    open_branches: usize,
    pub stock: StockTotals,
    /// The products that need attention most: the navbar's list, which reads without a script, too.
    pub worst: Vec<WorstRow>,
    pub inbox: Inbox,
    /// Where the streams take over: read before anything the page shows.
    pub cursor: String,
    pub theme: Theme,
    pub heartbeat_seconds: u64,
    /// Whether this page measures how long it takes until a change is painted.
    pub measures: bool,
}

/// As many products as the navbar's list shows.
pub const WORST: i64 = 10;

/// So many pages measure, of however many: each says something twice a minute.
const MEASURING: f64 = 100.0;

impl Shell {
    /// Call it before reading the page's own data: the cursor must be older than whatever the page shows.
    pub async fn load(app: &App, viewer: &Viewer, nav: Nav, title: impl Into<String>) -> Result<Self, web::Error> {
        let cursor = app.live.cursor();
        let scope = viewer.branches();
        let (branch, today) = match scope.one() {
            Some(id) => (branches::sql::find(&app.pool, id).await?, branches::sql::today(&app.pool, id).await?),
            None => (None, None),
        };
        let switcher = match viewer.role {
            Role::SuperAdmin => branches::sql::all(&app.pool).await?,
            Role::Admin | Role::Kasir => Vec::new(),
        };
        Ok(Self {
            title: title.into(),
            nav,
            viewer: viewer.clone(),
            branch,
            switcher,
            today,
            open_branches: app.live.days().map_or(0, |days| days.values().filter(|day| day.open_day_status).count()),
            stock: stock::sql::totals(&app.pool, scope).await?,
            worst: stock::alerts::worst(&mut *app.pool.acquire().await?, scope, WORST).await?,
            inbox: notifications::sql::inbox(&app.pool, viewer).await?,
            cursor,
            theme: Theme::current(),
            heartbeat_seconds: app.config.heartbeat_seconds,
            measures: rand::random::<f64>() * (app.live.roll().count() as f64) < MEASURING,
        })
    }

    /// The topics the page's script subscribes to. The dashboard is on every page, for the day's line in the sidebar.
    pub fn topics(&self) -> &'static str {
        match (self.nav, self.viewer.role) {
            (Nav::Home, Role::Kasir) => "dashboard omset-kasir notifications orders stock-updates",
            // who is connected stands on the page of the whole chain
            (Nav::Home, Role::SuperAdmin) if self.branch.is_none() => {
                "dashboard monitoring notifications orders stock-updates"
            }
            (Nav::Monitoring, _) => "dashboard monitoring notifications stock-updates",
            (Nav::Home | Nav::Sales | Nav::Orders, _) => "dashboard notifications orders stock-updates",
            _ => "dashboard notifications stock-updates",
        }
    }

    /// The types of news that this person does not want to be interrupted by, for the script.
    pub fn muted(&self) -> String {
        self.inbox.muted.join(" ")
    }

    /// Behind the address of a form: for which branch it was drawn ([`Asked::working_for`]).
    pub fn here(&self) -> String {
        self.branch.as_ref().map_or_else(String::new, |branch| format!("?cabang={}", branch.id))
    }

    /// Only who stands in one shop can sell.
    pub fn can_sell(&self) -> bool {
        self.branch.is_some() && !self.is_retired()
    }

    /// The one branch looked at is closed for good.
    pub fn is_retired(&self) -> bool {
        self.branch.as_ref().is_some_and(|branch| branch.is_retired)
    }

    pub fn branch_name(&self) -> &str {
        self.branch.as_ref().map_or("Semua cabang", |branch| &branch.name)
    }

    pub fn first_name(&self) -> &str {
        self.viewer.name.split_whitespace().next().unwrap_or_default()
    }

    /// Under the branch's name: is its day open?
    pub fn day_line(&self) -> String {
        let (Some(branch), Some(today)) = (&self.branch, &self.today) else {
            let standing = self.switcher.iter().filter(|branch| !branch.is_retired).count();
            return format!("{standing} cabang, {} buka", self.open_branches);
        };
        if branch.is_retired {
            return "Ditutup untuk seterusnya".to_owned();
        }
        match (&today.opened_at, &today.closed_at) {
            (Some(at), _) if today.is_open => format!("Buka sejak {at} {}", branch.zone()),
            (_, Some(at)) => format!("Ditutup {at} {}", branch.zone()),
            _ => "Belum dibuka hari ini".to_owned(),
        }
    }

    /// The branch's zone as people call it; of several branches, none.
    pub fn zone(&self) -> &str {
        self.branch.as_ref().map_or("", Branch::zone)
    }

    pub fn role_name(&self) -> &'static str {
        self.viewer.role.name()
    }

    pub fn is_chosen(&self, id: &BranchId) -> bool {
        self.branch.as_ref().is_some_and(|branch| branch.id == *id)
    }
}

/// Light, dark, or as the device is, by the cookie `theme` that the account page sets. As the device where nobody chose: what
/// it is the style sheet finds out (`static/build.mjs`), so that the first paint is right without a script.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Theme {
    Light,
    Dark,
    System,
}

tokio::task_local! {
    // Every page needs it and no handler has anything to say about it, so it travels beside them.
    static THEME: Theme;
}

impl Theme {
    pub const ALL: [Self; 3] = [Self::Light, Self::Dark, Self::System];

    pub fn of(headers: &HeaderMap) -> Self {
        cookie(headers, "theme").and_then(Self::named).unwrap_or(Self::System)
    }

    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|theme| theme.name() == name)
    }

    pub fn current() -> Self {
        THEME.try_with(|theme| *theme).unwrap_or(Self::System)
    }

    pub(super) async fn scope<F: Future>(self, future: F) -> F::Output {
        THEME.scope(self, future).await
    }

    /// The value of `data-bs-theme`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Light => "light",
            Self::Dark => "dark",
            Self::System => "system",
        }
    }
}

pub fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let lines = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    lines.flat_map(|line| line.split(';')).find_map(|cookie| cookie.trim().strip_prefix(name)?.strip_prefix('='))
}

/// How a request wants its answer: a person's browser a page, a script JSON.
#[derive(Debug, Clone)]
pub struct Asked {
    pub page: bool,
    /// It names JSON. `*/*` (curl, old clients) names neither.
    pub json: bool,
    /// The page of ours it came from, as a path.
    pub back: Option<String>,
    here: Option<String>,
    /// For which branch the form was drawn, where its address says so: [`Shell::here`].
    branch: Option<BranchId>,
}

impl Asked {
    pub(super) fn of(method: &Method, uri: &Uri, headers: &HeaderMap) -> Self {
        let accepts = |kind| {
            headers
                .get(header::ACCEPT)
                .and_then(|value| value.to_str().ok())
                .is_some_and(|accept| accept.contains(kind))
        };
        Self {
            // streams speak JSON whoever asks: an EventSource cannot follow a redirect to a page
            page: accepts("text/html") && !uri.path().starts_with("/realtime/"),
            json: accepts("application/json"),
            back: came_from(headers),
            here: (method == Method::GET).then(|| uri.path_and_query().map(|path| path.to_string())).flatten(),
            branch: uri.query().and_then(|query| {
                query.split('&').find_map(|part| part.strip_prefix("cabang=")?.parse().ok().map(BranchId))
            }),
        }
    }

    /// The branch that something is written for: the one the writer works for now. A form that was drawn for another (they were
    /// moved since, or switched in another tab) is not meant for this one.
    pub fn working_for(&self, viewer: &Viewer) -> Outcome<BranchId> {
        let branch = branches::working_for(viewer)?;
        match self.branch {
            Some(drawn) if drawn != branch => Err(Refusal::conflict(
                "branch_changed",
                "Halaman ini dibuka untuk cabang lain, jadi belum ada yang disimpan. Muat ulang dan periksa cabangnya, lalu coba lagi.",
            )),
            _ => Ok(branch),
        }
    }

    /// Where to sign in, and to come back from.
    pub(super) fn sign_in(&self) -> String {
        match &self.here {
            Some(here) if here != "/" => {
                let next: String =
                    askama::filters::urlencode_strict(here).map(|next| next.to_string()).unwrap_or_default();
                format!("/login?next={next}")
            }
            _ => "/login".to_owned(),
        }
    }

    /// A form did its work: what to look at next.
    pub fn go(&self, to: &str) -> Response {
        if self.page {
            Redirect::to(to).into_response()
        } else {
            Json(serde_json::json!({ "ok": true, "redirect": to })).into_response()
        }
    }
}

impl<S: Sync> FromRequestParts<S> for Asked {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self::of(&parts.method, &parts.uri, &parts.headers))
    }
}

/// The Referer, if it is a page of this host.
fn came_from(headers: &HeaderMap) -> Option<String> {
    let referer: Uri = headers.get(header::REFERER)?.to_str().ok()?.parse().ok()?;
    let host = headers.get(header::HOST)?.to_str().ok()?;
    let is_ours = referer.authority().is_some_and(|authority| authority.as_str() == host);
    local_path(referer.path_and_query()?.as_str()).filter(|_| is_ours).map(str::to_owned)
}

/// `path`, if following it stays on this site: a redirect must not carry anyone elsewhere (`//evil.example`, `/\evil.example`).
pub fn local_path(path: &str) -> Option<&str> {
    let is_local = path.starts_with('/')
        && !path[1..].starts_with(['/', '\\'])
        && path.chars().all(|c| !c.is_control() && c != '\\');
    is_local.then_some(path)
}

/// `text` as a part of an address.
pub fn url_part(text: &str) -> String {
    askama::filters::urlencode_strict(text).map_or_else(|never| match never {}, |part| part.to_string())
}

/// Eight letters and digits to read out over the phone: none that look like another.
pub(super) fn short_code() -> String {
    const ALPHABET: &[u8] = b"23456789ABCDEFGHJKLMNPQRSTUVWXYZ";
    let mut rng = rand::rng();
    let mut pick = || char::from(ALPHABET[rng.random_range(0..ALPHABET.len())]);
    let (front, back): (String, String) = ((0..4).map(|_| pick()).collect(), (0..4).map(|_| pick()).collect());
    format!("{front}-{back}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_redirect_stays_here() {
        assert_eq!(local_path("/stok?level=low"), Some("/stok?level=low"));
        for elsewhere in
            ["", "stok", "//evil.example", "/\\evil.example", "https://evil.example", "/a\r\nSet-Cookie: x"]
        {
            assert_eq!(local_path(elsewhere), None, "{elsewhere}");
        }
    }
}
