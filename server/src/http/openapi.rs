//! The description of both listeners, in OpenAPI.

use axum::Json;
use axum::http::StatusCode;
use utoipa::openapi::content::ContentBuilder;
use utoipa::openapi::info::InfoBuilder;
use utoipa::openapi::path::{HttpMethod, Operation, OperationBuilder, PathItem, PathsBuilder};
use utoipa::openapi::request_body::RequestBodyBuilder;
use utoipa::openapi::response::{Response, ResponseBuilder, ResponsesBuilder};
use utoipa::openapi::schema::{ComponentsBuilder, KnownFormat, ObjectBuilder, SchemaFormat, Type};
use utoipa::openapi::{Info, OpenApi, OpenApiBuilder, Ref, Required};
use utoipa::{PartialSchema as _, ToSchema as _};

use super::messages::{MESSAGES, MessagePath};
use crate::refusal::RefusalBody;

const OCTETS: &str = "application/octet-stream";

/// Answers with the description of the paths that devices and other providers use.
pub(super) async fn public_json() -> Json<OpenApi> {
    Json(public())
}

/// Returns the description of the paths that devices and other providers use.
#[must_use]
pub(crate) fn public() -> OpenApi {
    let paths = MESSAGES.iter().fold(PathsBuilder::new(), |paths, message| {
        let item = PathItem::new(HttpMethod::Post, operation(message));
        paths.path(message.path, item)
    });
    let paths = paths
        .path("/v1/provider", read("The provider's certificate", OCTETS))
        .path("/healthz", read("Whether the process lives", "text/plain"))
        .path("/readyz", read("Whether messages are booked", "text/plain"));
    let refusal = (RefusalBody::name(), RefusalBody::schema());
    let components = ComponentsBuilder::new()
        .schema(refusal.0, refusal.1)
        .build();

    OpenApiBuilder::new()
        .info(info(
            "blepay-server",
            "Messages of devices and of other providers. Bodies are the signed bytes of ops-proto, \
             laid out in docs/protocol.md; what authenticates a message is its signature.",
        ))
        .paths(paths.build())
        .components(Some(components))
        .build()
}

pub(super) fn info(title: &str, description: &str) -> Info {
    InfoBuilder::new()
        .title(title)
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some(description))
        .build()
}

fn operation(message: &MessagePath) -> Operation {
    let name = message.path.trim_start_matches('/').replace('/', "_");
    let body = RequestBodyBuilder::new()
        .description(Some(message.body))
        .required(Some(Required::True))
        .content(OCTETS, octets())
        .build();
    let answer = ResponseBuilder::new()
        .description(message.answer)
        .content(OCTETS, octets())
        .build();
    let responses = ResponsesBuilder::new()
        .response(StatusCode::OK.as_str(), answer)
        .response("default", refusal())
        .build();

    OperationBuilder::new()
        .operation_id(Some(name))
        .summary(Some(message.summary))
        .request_body(Some(body))
        .responses(responses)
        .build()
}

fn read(summary: &str, content_type: &str) -> PathItem {
    let answer = ResponseBuilder::new()
        .description(summary)
        .content(content_type, octets())
        .build();
    let responses = ResponsesBuilder::new()
        .response(StatusCode::OK.as_str(), answer)
        .response("default", refusal())
        .build();
    let operation = OperationBuilder::new()
        .summary(Some(summary))
        .responses(responses)
        .build();

    PathItem::new(HttpMethod::Get, operation)
}

/// Any refusal: its HTTP status follows from its code. Those that pass say in `Retry-After` when.
fn refusal() -> Response {
    let schema = Ref::from_schema_name(RefusalBody::name());

    ResponseBuilder::new()
        .description("Refused: a stable code, a sentence and what to do. Nothing was changed.")
        .content(
            "application/json",
            ContentBuilder::new().schema(Some(schema)).build(),
        )
        .build()
}

fn octets() -> utoipa::openapi::Content {
    let schema = ObjectBuilder::new()
        .schema_type(Type::String)
        .format(Some(SchemaFormat::KnownFormat(KnownFormat::Binary)));

    ContentBuilder::new().schema(Some(schema)).build()
}
