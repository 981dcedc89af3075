//! The accounts that an admin or the head office looks after.

use std::collections::BTreeMap;

use askama::Template;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Form, Json, Router};
use serde::Deserialize;

use crate::App;
use crate::branches::{self, Branch};
use crate::ids::UserId;
use crate::people::sql::{self, Filter};
use crate::people::{Account, AccountForm, initials};
use crate::refusal::{Outcome, Refusal};
use crate::scope::{Branches, Role, Viewer};
use crate::web::Error;
use crate::web::page::{Asked, Nav, Page, Shell, url_part};

pub fn routes() -> Router<App> {
    Router::new()
        .route("/pengguna", get(list).post(create))
        .route("/pengguna/baru", get(blank))
        .route("/pengguna/{id}", get(show).post(save))
        .route("/pengguna/{id}/nonaktifkan", post(deactivate))
        .route("/pengguna/{id}/aktifkan", post(activate))
        .route("/pengguna/{id}/sandi", post(reset_password))
        .route("/pengguna/{id}/keluar", post(end_sessions))
}

const PER_PAGE: i64 = 50;

/// As in the address; what cannot be read is as if it were not there.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Wanted {
    cari: String,
    peran: String,
    status: String,
    hal: String,
}

impl Wanted {
    fn filter(&self) -> Filter {
        Filter {
            cari: self.cari.split_whitespace().collect::<Vec<_>>().join(" "),
            role: [Role::Kasir, Role::Admin, Role::SuperAdmin].into_iter().find(|role| role.name() == self.peran),
            is_active: match self.status.as_str() {
                "aktif" => Some(true),
                "nonaktif" => Some(false),
                _ => None,
            },
        }
    }

    fn page(&self) -> i64 {
        self.hal.parse().unwrap_or(1).clamp(1, 10_000)
    }

    fn is_filtered(&self) -> bool {
        let Filter { cari, role, is_active } = self.filter();
        !cari.is_empty() || role.is_some() || is_active.is_some()
    }

    fn at(&self, page: i64) -> String {
        let [cari, peran, status] = [&self.cari, &self.peran, &self.status].map(|text| url_part(text));
        format!("/pengguna?cari={cari}&peran={peran}&status={status}&hal={page}")
    }
}

#[derive(Template)]
#[template(path = "people/list.html")]
struct ListPage {
    shell: Shell,
    wanted: Wanted,
    accounts: Vec<Account>,
    count: i64,
}

impl ListPage {
    fn first(&self) -> i64 {
        (self.wanted.page() - 1) * PER_PAGE + 1
    }

    fn last(&self) -> i64 {
        self.first() - 1 + self.accounts.len() as i64
    }
}

impl Account {
    fn initials(&self) -> String {
        initials(&self.name)
    }
}

/// Whose role looks after nobody finds no such page.
fn only_managers(viewer: &Viewer) -> Outcome<()> {
    if viewer.may_manage_people() { Ok(()) } else { Err(Refusal::Forbidden) }
}

async fn list(State(app): State<App>, viewer: Viewer, Query(wanted): Query<Wanted>) -> Result<Page<ListPage>, Error> {
    only_managers(&viewer)?;
    let shell = Shell::load(&app, &viewer, Nav::People, "Pengguna").await?;
    let offset = (wanted.page() - 1) * PER_PAGE;
    let (accounts, count) = sql::accounts(&app.pool, viewer.branches(), &wanted.filter(), PER_PAGE, offset).await?;
    Ok(Page(ListPage { shell, wanted, accounts, count }))
}

/// A new account (`account` is none), or one that there is.
#[derive(Template)]
#[template(path = "people/edit.html")]
struct EditPage {
    shell: Shell,
    account: Option<Account>,
    form: AccountForm,
    wrong: BTreeMap<String, String>,
    /// Empty for whoever has only one to give.
    branches: Vec<Branch>,
}

impl EditPage {
    async fn load(
        app: &App,
        viewer: &Viewer,
        account: Option<Account>,
        form: AccountForm,
        wrong: BTreeMap<String, String>,
    ) -> Result<Self, Error> {
        let title = account.as_ref().map_or("Pengguna baru", |account| &account.name).to_owned();
        let shell = Shell::load(app, viewer, Nav::People, title).await?;
        let branches = match viewer.branches() {
            Branches::All => branches::sql::standing(&app.pool).await?,
            Branches::One(_) => Vec::new(),
        };
        Ok(Self { shell, account, form, wrong, branches })
    }

    fn is_oneself(&self) -> bool {
        self.account.as_ref().is_some_and(|account| account.id == self.shell.viewer.id)
    }

    /// The roles to choose from; of one's own account only the one it has.
    fn roles(&self) -> Vec<Role> {
        match &self.account {
            Some(account) if self.is_oneself() => vec![account.role],
            _ => self.shell.viewer.may_appoint().to_vec(),
        }
    }

    fn is_of(&self, branch: &Branch) -> bool {
        self.form.branch_id == branch.id.to_string()
    }
}

async fn blank(State(app): State<App>, viewer: Viewer) -> Result<Page<EditPage>, Error> {
    only_managers(&viewer)?;
    let form = AccountForm { role: Role::Kasir.name().to_owned(), ..AccountForm::default() };
    Ok(Page(EditPage::load(&app, &viewer, None, form, BTreeMap::new()).await?))
}

async fn show(State(app): State<App>, viewer: Viewer, Path(id): Path<UserId>) -> Result<Page<EditPage>, Error> {
    let account = sql::account(&app.pool, &viewer, id).await?;
    let form = AccountForm {
        name: account.name.clone(),
        email: account.email.clone(),
        role: account.role.name().to_owned(),
        branch_id: account.branch_id.map(|id| id.to_string()).unwrap_or_default(),
    };
    Ok(Page(EditPage::load(&app, &viewer, Some(account), form, BTreeMap::new()).await?))
}

/// A password on the only page that ever shows it: it is kept nowhere, and a page may not be kept (`no-store`).
#[derive(Template)]
#[template(path = "people/first_password.html")]
struct FirstPasswordPage {
    shell: Shell,
    account: Account,
    password: String,
}

async fn first_password(
    app: &App,
    viewer: &Viewer,
    asked: &Asked,
    status: StatusCode,
    id: UserId,
    password: String,
) -> Result<Response, Error> {
    if !asked.page {
        let body = serde_json::json!({ "ok": true, "id": id, "password": password });
        return Ok((status, Json(body)).into_response());
    }
    let account = sql::account(&app.pool, viewer, id).await?;
    let shell = Shell::load(app, viewer, Nav::People, "Kata sandi pertama").await?;
    Ok((status, Page(FirstPasswordPage { shell, account, password })).into_response())
}

async fn create(
    State(app): State<App>,
    viewer: Viewer,
    asked: Asked,
    Form(form): Form<AccountForm>,
) -> Result<Response, Error> {
    only_managers(&viewer)?;
    let hired = match form.read(&viewer) {
        Ok(person) => sql::hire(&app.pool, &viewer, &person).await,
        Err(refusal) => Err(refusal),
    };
    match hired {
        Ok((id, password)) => first_password(&app, &viewer, &asked, StatusCode::CREATED, id, password).await,
        Err(Refusal::Invalid(wrong)) if asked.page => {
            let page = EditPage::load(&app, &viewer, None, form, wrong).await?;
            Ok((StatusCode::UNPROCESSABLE_ENTITY, Page(page)).into_response())
        }
        Err(refusal) => Err(refusal.into()),
    }
}

async fn save(
    State(app): State<App>,
    viewer: Viewer,
    asked: Asked,
    Path(id): Path<UserId>,
    Form(form): Form<AccountForm>,
) -> Result<Response, Error> {
    // first of all whether there is such an account for this viewer; then what was typed of it
    let account = sql::account(&app.pool, &viewer, id).await?;
    let saved = match form.read(&viewer) {
        Ok(person) => sql::change_account(&app.pool, &viewer, id, &person).await,
        Err(refusal) => Err(refusal),
    };
    match saved {
        Ok(()) => Ok(asked.go("/pengguna")),
        Err(Refusal::Invalid(wrong)) if asked.page => {
            let page = EditPage::load(&app, &viewer, Some(account), form, wrong).await?;
            Ok((StatusCode::UNPROCESSABLE_ENTITY, Page(page)).into_response())
        }
        Err(refusal) => Err(refusal.into()),
    }
}

fn address(id: UserId) -> String {
    format!("/pengguna/{id}")
}

async fn deactivate(
    State(app): State<App>,
    viewer: Viewer,
    asked: Asked,
    Path(id): Path<UserId>,
) -> Result<Response, Error> {
    sql::deactivate(&app.pool, &viewer, id).await?;
    Ok(asked.go(&address(id)))
}

async fn activate(
    State(app): State<App>,
    viewer: Viewer,
    asked: Asked,
    Path(id): Path<UserId>,
) -> Result<Response, Error> {
    sql::activate(&app.pool, &viewer, id).await?;
    Ok(asked.go(&address(id)))
}

async fn reset_password(
    State(app): State<App>,
    viewer: Viewer,
    asked: Asked,
    Path(id): Path<UserId>,
) -> Result<Response, Error> {
    let password = sql::reset_password(&app.pool, &viewer, id).await?;
    first_password(&app, &viewer, &asked, StatusCode::OK, id, password).await
}

async fn end_sessions(
    State(app): State<App>,
    viewer: Viewer,
    asked: Asked,
    Path(id): Path<UserId>,
) -> Result<Response, Error> {
    sql::end_sessions_of(&app.pool, &viewer, id).await?;
    Ok(asked.go(&address(id)))
}
