//! One function for each path of the admin API; the comments are what `/openapi.json` says.
#![expect(
    unused_qualifications,
    reason = "utoipa names what its macros are given"
)]

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use ops_proto::Amount;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::AdminShared;
use super::extract::{JsonBody, Params, key, page_size};
use super::jobs::AuditView;
use crate::admin::{
    ACCOUNTS_PAGE_MAX, AccountPage, AccountView, BackupView, Credited, FINDINGS_PAGE_MAX,
    FindingPage, LedgerView, PositionView, Standing, TaView, backup,
};
use crate::limits::PROBE_TIMEOUT;
use crate::refusal::{Code, Refusal, RefusalBody};
use crate::writer::now;

type Answer<T> = Result<Json<T>, Refusal>;

/// How the server is.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct HealthView {
    /// Whether messages are booked.
    ready: bool,
    /// The version of the program.
    version: &'static str,
    /// Why they are not, while they are not.
    trouble: Option<String>,
    /// Whether everything that was issued is somewhere; nothing while the books cannot be read.
    balanced: Option<bool>,
    /// What to do something about in time.
    warnings: Vec<String>,
}

/// Says how the server is
#[utoipa::path(
    get,
    path = "/v1/admin/health",
    security(("token" = [])),
    responses(
        (status = 200, body = HealthView),
        (status = "default", description = "Refused", body = RefusalBody)
    )
)]
pub(super) async fn health(State(shared): State<AdminShared>) -> Answer<HealthView> {
    let trouble = shared.readiness.check().await.err();
    let ledger = async { shared.office().await?.ledger().await.map_err(Refusal::from) };
    let ledger = tokio::time::timeout(PROBE_TIMEOUT, ledger).await;

    Ok(Json(HealthView {
        ready: trouble.is_none(),
        version: env!("CARGO_PKG_VERSION"),
        trouble: trouble.map(|refusal| refusal.message),
        balanced: ledger.ok().and_then(Result::ok).map(|it| it.balanced),
        warnings: shared.readiness.warnings(now()),
    }))
}

/// Where a page begins.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct AccountQuery {
    /// The cursor of the page before
    #[param(pattern = "^[0-9a-f]{64}$")]
    after: Option<String>,
    /// Accounts of a page
    #[param(minimum = 1, maximum = 200)]
    limit: Option<u16>,
}

/// Returns clients and what they have, page by page
#[utoipa::path(
    get,
    path = "/v1/admin/accounts",
    params(AccountQuery),
    security(("token" = [])),
    responses(
        (status = 200, body = AccountPage),
        (status = "default", description = "Refused", body = RefusalBody)
    )
)]
pub(super) async fn accounts(
    State(shared): State<AdminShared>,
    Params(query): Params<AccountQuery>,
) -> Answer<AccountPage> {
    let after = query.after.as_deref().map(key).transpose()?;
    let limit = page_size(query.limit, ACCOUNTS_PAGE_MAX)?;
    let mut office = shared.office().await?;

    Ok(Json(office.account_page(after.as_ref(), limit).await?))
}

/// Returns one client and what it has
#[utoipa::path(
    get,
    path = "/v1/admin/accounts/{client}",
    params(("client" = String, Path, description = "The client's key in hex, or its name")),
    security(("token" = [])),
    responses(
        (status = 200, body = AccountView),
        (status = "default", description = "Refused", body = RefusalBody)
    )
)]
pub(super) async fn account(
    State(shared): State<AdminShared>,
    Path(client): Path<String>,
) -> Answer<AccountView> {
    let mut office = shared.office().await?;

    Ok(Json(office.account(&client).await?))
}

/// Money that was paid in.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CreditBody {
    /// The client's key in hex, or its name
    #[schema(min_length = 1, max_length = 64)]
    client: String,
    /// The amount as people write it, with no more decimals than the currency has
    #[schema(
        pattern = r"^(?!0(\.0+)?$)(0|[1-9][0-9]{0,12})(\.[0-9]{1,4})?$",
        example = "12.50"
    )]
    amount: String,
    /// What makes this credit one: the same reference is credited once
    #[schema(
        min_length = 1,
        max_length = 128,
        pattern = r"^[^\s\x00-\x1f\x7f-\x9f]([^\x00-\x1f\x7f-\x9f]*[^\s\x00-\x1f\x7f-\x9f])?$"
    )]
    reference: String,
}

/// Credits a client's online account; the same reference and content again changes nothing
#[utoipa::path(
    post,
    path = "/v1/admin/credits",
    request_body = CreditBody,
    security(("token" = [])),
    responses(
        (status = 200, body = Credited),
        (status = 409, description = "The reference was used for another credit", body = RefusalBody),
        (status = "default", description = "Refused", body = RefusalBody)
    )
)]
pub(super) async fn credit(
    State(shared): State<AdminShared>,
    JsonBody(body): JsonBody<CreditBody>,
) -> Answer<Credited> {
    let mut office = shared.office().await?;
    let amount = Amount::parse(&body.amount, office.exponent()?)
        .map_err(|error| Refusal::new(Code::Value, format!("the amount is refused: {error}")))?;
    let credited = office.credit(&body.client, amount, &body.reference).await?;

    Ok(Json(credited))
}

/// Why a TA's standing changes.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct StandingBody {
    /// One sentence, which is kept
    #[schema(
        min_length = 1,
        max_length = 128,
        pattern = r"^[^\s\x00-\x1f\x7f-\x9f]([^\x00-\x1f\x7f-\x9f]*[^\s\x00-\x1f\x7f-\x9f])?$"
    )]
    reason: String,
}

/// Suspends a TA: no grants and no tokens, and its money waits
#[utoipa::path(
    post,
    path = "/v1/admin/tas/{ta}/suspend",
    params(("ta" = String, Path, description = "The TA's key in hex", pattern = "^[0-9a-f]{64}$")),
    request_body = StandingBody,
    security(("token" = [])),
    responses(
        (status = 200, body = TaView),
        (status = "default", description = "Refused", body = RefusalBody)
    )
)]
pub(super) async fn suspend(
    State(shared): State<AdminShared>,
    Path(ta): Path<String>,
    JsonBody(body): JsonBody<StandingBody>,
) -> Answer<TaView> {
    stand(&shared, &ta, Standing::Suspended, &body.reason).await
}

/// Lets a suspended TA live again, unless evidence convicts it
#[utoipa::path(
    post,
    path = "/v1/admin/tas/{ta}/unsuspend",
    params(("ta" = String, Path, description = "The TA's key in hex", pattern = "^[0-9a-f]{64}$")),
    request_body = StandingBody,
    security(("token" = [])),
    responses(
        (status = 200, body = TaView),
        (status = "default", description = "Refused", body = RefusalBody)
    )
)]
pub(super) async fn unsuspend(
    State(shared): State<AdminShared>,
    Path(ta): Path<String>,
    JsonBody(body): JsonBody<StandingBody>,
) -> Answer<TaView> {
    stand(&shared, &ta, Standing::Live, &body.reason).await
}

/// Suspends a TA and puts it on the deny-list, from which it does not come back
#[utoipa::path(
    post,
    path = "/v1/admin/tas/{ta}/revoke",
    params(("ta" = String, Path, description = "The TA's key in hex", pattern = "^[0-9a-f]{64}$")),
    request_body = StandingBody,
    security(("token" = [])),
    responses(
        (status = 200, body = TaView),
        (status = "default", description = "Refused", body = RefusalBody)
    )
)]
pub(super) async fn revoke(
    State(shared): State<AdminShared>,
    Path(ta): Path<String>,
    JsonBody(body): JsonBody<StandingBody>,
) -> Answer<TaView> {
    stand(&shared, &ta, Standing::Revoked, &body.reason).await
}

async fn stand(shared: &AdminShared, ta: &str, standing: Standing, reason: &str) -> Answer<TaView> {
    let ta = key(ta)?;
    let mut office = shared.office().await?;

    Ok(Json(office.set_standing(&ta, standing, reason).await?))
}

/// Where a page begins.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct FindingQuery {
    /// The `next` of the page before
    #[param(minimum = 0)]
    after: Option<i64>,
    /// Findings of a page
    #[param(minimum = 1, maximum = 100)]
    limit: Option<u16>,
}

/// Returns what was found against TAs, with evidence where there is any, page by page
#[utoipa::path(
    get,
    path = "/v1/admin/evidence",
    params(FindingQuery),
    security(("token" = [])),
    responses(
        (status = 200, body = FindingPage),
        (status = "default", description = "Refused", body = RefusalBody)
    )
)]
pub(super) async fn findings(
    State(shared): State<AdminShared>,
    Params(query): Params<FindingQuery>,
) -> Answer<FindingPage> {
    let limit = page_size(query.limit, FINDINGS_PAGE_MAX)?;
    let after = query.after.unwrap_or(0);
    if after < 0 {
        return Err(Refusal::new(Code::Value, "`after` is never below zero"));
    }
    let mut office = shared.office().await?;

    Ok(Json(office.finding_page(after, limit).await?))
}

/// Returns what other providers owe
#[utoipa::path(
    get,
    path = "/v1/admin/positions",
    security(("token" = [])),
    responses(
        (status = 200, body = Vec<PositionView>),
        (status = "default", description = "Refused", body = RefusalBody)
    )
)]
pub(super) async fn positions(State(shared): State<AdminShared>) -> Answer<Vec<PositionView>> {
    let mut office = shared.office().await?;

    Ok(Json(office.position_views().await?))
}

/// Returns where all money is
#[utoipa::path(
    get,
    path = "/v1/admin/ledger",
    security(("token" = [])),
    responses(
        (status = 200, body = LedgerView),
        (status = "default", description = "Refused", body = RefusalBody)
    )
)]
pub(super) async fn ledger(State(shared): State<AdminShared>) -> Answer<LedgerView> {
    Ok(Json(shared.office().await?.ledger().await?))
}

/// Starts an audit in the background, or returns the one that runs
#[utoipa::path(
    post,
    path = "/v1/admin/audits",
    security(("token" = [])),
    responses(
        (status = 202, body = AuditView),
        (status = "default", description = "Refused", body = RefusalBody)
    )
)]
pub(super) async fn start_audit(
    State(shared): State<AdminShared>,
) -> (StatusCode, Json<AuditView>) {
    (StatusCode::ACCEPTED, Json(shared.audits.start(&shared)))
}

/// Returns the newest audit
#[utoipa::path(
    get,
    path = "/v1/admin/audits/newest",
    security(("token" = [])),
    responses(
        (status = 200, body = AuditView),
        (status = 404, description = "No audit was started yet", body = RefusalBody),
        (status = "default", description = "Refused", body = RefusalBody)
    )
)]
pub(super) async fn audit(State(shared): State<AdminShared>) -> Answer<AuditView> {
    let none = || Refusal::new(Code::NotFound, "no audit was started since the server was");

    shared.audits.view().map(Json).ok_or_else(none)
}

/// Writes a backup of the books into the data directory's folder `backups`
#[utoipa::path(
    post,
    path = "/v1/admin/backups",
    security(("token" = [])),
    responses(
        (status = 201, body = BackupView),
        (status = "default", description = "Refused", body = RefusalBody)
    )
)]
pub(super) async fn make_backup(
    State(shared): State<AdminShared>,
) -> Result<(StatusCode, Json<BackupView>), Refusal> {
    let busy = || Refusal::new(Code::UnderWay, "a backup is being written");
    let _only = shared.backup.try_lock().map_err(|_| busy())?;
    let folder = shared.data.join("backups");
    std::fs::create_dir_all(&folder)
        .map_err(|_| Refusal::new(Code::Internal, "the folder cannot be made"))?;
    let out = folder.join(format!("books-{}.backup", now().as_ms()));
    let view = backup(&shared.data, &shared.address, &out).await?;

    Ok((StatusCode::CREATED, Json(view)))
}
