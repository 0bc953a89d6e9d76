//! The API document: every service's part in one.

use rialto_lambda::{
    access::{self, Route},
    http::ProblemBody,
};
use utoipa::{
    OpenApi, PartialSchema, ToSchema,
    openapi::{
        Content, ContentBuilder, Info, License, OpenApi as Document, Ref, RefOr, ResponseBuilder,
        Server,
        path::{Operation, ParameterIn, PathItem},
        schema::{KnownFormat, Schema, SchemaFormat, Type},
        security::{Http, HttpAuthScheme, SecurityRequirement, SecurityScheme},
        tag::Tag,
    },
};

/// Each service's part, by the service's name.
#[must_use]
pub fn parts() -> Vec<(&'static str, Document)> {
    vec![
        ("accounts", rialto_accounts::entrypoints::ApiDocument::openapi()),
        ("catalog", rialto_catalog::entrypoints::ApiDocument::openapi()),
        ("delivery", rialto_delivery::entrypoints::ApiDocument::openapi()),
        ("inventory", rialto_inventory::entrypoints::ApiDocument::openapi()),
        ("orders", rialto_orders::entrypoints::ApiDocument::openapi()),
        ("payments", rialto_payments::entrypoints::ApiDocument::openapi()),
        ("platform", rialto_platform::entrypoints::ApiDocument::openapi()),
    ]
}

/// The API document: the services' parts, completed from the access table.
#[must_use]
pub fn document() -> Document {
    let mut document = Document::default();
    for (_, part) in parts() {
        document.merge(part);
    }
    let mut info = Info::new("Rialto", "1");
    info.description = Some(DESCRIPTION.to_owned());
    info.license = Some(License::new("MIT"));
    document.info = info;
    // Relative to the document's own URL, so that it holds under every stage prefix and domain.
    document.servers = Some(vec![Server::new(".")]);
    document.tags = Some(tags());
    let mut bearer = Http::new(HttpAuthScheme::Bearer);
    bearer.bearer_format = Some("JWT".to_owned());
    bearer.description =
        Some("The access_token from POST /auth/login; valid for 15 minutes.".to_owned());
    let components = document.components.get_or_insert_default();
    components
        .security_schemes
        .insert("access_token".to_owned(), SecurityScheme::Http(bearer).into());
    components.schemas.insert(ProblemBody::name().into_owned(), ProblemBody::schema());
    let mut referenced = Vec::new();
    ProblemBody::schemas(&mut referenced);
    components.schemas.extend(referenced);
    for schema in components.schemas.values_mut() {
        mark_passwords(schema);
    }
    for (path, item) in &mut document.paths.paths {
        for (method, operation) in methods(item) {
            if let Some(route) =
                access::ROUTES.iter().find(|route| route.path == path && route.method == method)
            {
                complete(operation, route);
            }
        }
    }
    document
}

fn methods(item: &mut PathItem) -> impl Iterator<Item = (&'static str, &mut Operation)> {
    [
        ("GET", &mut item.get),
        ("POST", &mut item.post),
        ("PUT", &mut item.put),
        ("PATCH", &mut item.patch),
        ("DELETE", &mut item.delete),
    ]
    .into_iter()
    .filter_map(|(method, operation)| Some((method, operation.as_mut()?)))
}

/// Adds the parts of an operation that follow from the access table, and those that all operations
/// have in common.
fn complete(operation: &mut Operation, route: &Route) {
    operation.operation_id = Some(operation_id(route.function));
    operation.tags = route.function.split('-').next().map(|service| vec![service.to_owned()]);
    if route.who.requires_token() {
        operation.security =
            Some(vec![SecurityRequirement::new("access_token", Vec::<String>::new())]);
    }
    let responses = &mut operation.responses.responses;
    for status in ["4XX", "5XX"] {
        let schema = RefOr::Ref(Ref::from_schema_name(ProblemBody::name()));
        let content = ContentBuilder::new().schema(Some(schema)).build();
        let response = ResponseBuilder::new().content("application/problem+json", content);
        responses.insert(status.to_owned(), response.build().into());
    }
    for (status, response) in responses {
        let RefOr::T(response) = response else { continue };
        if response.description.is_empty() {
            response.description = description(status).to_owned();
        }
    }
    if let Some(RefOr::T(body)) = &mut operation.request_body {
        body.content.values_mut().for_each(require_body_schema);
    }
    for parameter in operation.parameters.iter_mut().flatten() {
        let RefOr::T(parameter) = parameter else { continue };
        let Some(RefOr::T(Schema::Object(schema))) = &mut parameter.schema else { continue };
        match (&parameter.parameter_in, parameter.name.as_str()) {
            (ParameterIn::Query, "cursor") => schema.min_length = Some(1),
            // A header is never null.
            (ParameterIn::Header, "If-Match") => {
                schema.schema_type = Type::String.into();
                schema.pattern = Some(IF_MATCH.to_owned());
            }
            _ => {}
        }
    }
}

/// Gives passwords their format, which the schema of a text doesn't have.
fn mark_passwords(schema: &mut RefOr<Schema>) {
    let RefOr::T(Schema::Object(schema)) = schema else { return };
    for (name, property) in &mut schema.properties {
        if let RefOr::T(Schema::Object(property)) = property
            && name.ends_with("password")
        {
            property.format = Some(SchemaFormat::KnownFormat(KnownFormat::Password));
        }
    }
}

/// Replaces "the schema or null", as utoipa declares an optional body, by the schema: a body can be
/// left out, but not be `null`.
fn require_body_schema(content: &mut RefOr<Content>) {
    let RefOr::T(content) = content else { return };
    if let Some(RefOr::T(Schema::OneOf(alternatives))) = &content.schema {
        let reference = alternatives.items.iter().find(|item| matches!(item, RefOr::Ref(_)));
        content.schema = reference.cloned().or(content.schema.take());
    }
}

/// `*`, or a list of entity tags: what `IfMatch::parse` accepts. Elements of a list may be empty
/// (RFC 9110, section 5.6.1).
const IF_MATCH: &str =
    r#"^([ \t]*\*[ \t]*|[ \t,]*(W/)?"[!#-~]*"([ \t]*,[ \t,]*(W/)?"[!#-~]*")*[ \t,]*)$"#;

/// `orders-place-order` as the document writes it: `ordersPlaceOrder`.
#[must_use]
pub fn operation_id(function: &str) -> String {
    let mut upper = false;
    let letters = function.chars().filter_map(|letter| {
        if letter == '-' {
            upper = true;
            return None;
        }
        Some(if std::mem::take(&mut upper) { letter.to_ascii_uppercase() } else { letter })
    });
    letters.collect()
}

fn description(status: &str) -> &'static str {
    match status {
        "201" => "Created.",
        "204" => "No content.",
        "4XX" => "Client error; see `code`.",
        "5XX" => "Server error.",
        _ => "Success.",
    }
}

const DESCRIPTION: &str = "A commerce backend. Successful responses are `{\"data\": …}`; lists also \
    have `pagination`. Errors are `application/problem+json` with a stable `code`. Amounts are whole \
    numbers of minor units; times are RFC 3339 UTC.";

fn tags() -> Vec<Tag> {
    let tag = |(name, description): (&str, &str)| {
        let mut tag = Tag::new(name);
        tag.description = Some(description.to_owned());
        tag
    };
    [
        ("accounts", "Users, sellers, sessions."),
        ("catalog", "Categories, brands, items, products."),
        ("delivery", "Deliveries and parcels."),
        ("inventory", "Stock and its movements."),
        ("orders", "Orders and their timelines."),
        ("payments", "Payments and refunds."),
        ("platform", "Health, this document and its page."),
    ]
    .map(tag)
    .into()
}
