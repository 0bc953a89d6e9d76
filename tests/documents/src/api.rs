//! The API document: every service's part in one.

use utoipa::{
    OpenApi,
    openapi::{
        Info, License, OpenApi as Document, PathItem, RefOr, Server,
        security::{Http, HttpAuthScheme, SecurityScheme},
        tag::Tag,
    },
};

/// Each service's part, by the service's name.
#[must_use]
pub fn parts() -> Vec<(&'static str, Document)> {
    vec![
        ("accounts", rialto_accounts::entrypoints::ApiDocument::openapi()),
        ("catalog", rialto_catalog::entrypoints::ApiDocument::openapi()),
        ("inventory", rialto_inventory::entrypoints::ApiDocument::openapi()),
        ("orders", rialto_orders::entrypoints::ApiDocument::openapi()),
        ("payments", rialto_payments::entrypoints::ApiDocument::openapi()),
        ("platform", rialto_platform::entrypoints::ApiDocument::openapi()),
    ]
}

/// The whole document.
#[must_use]
pub fn document() -> Document {
    let mut whole = Document::default();
    for (_, part) in parts() {
        whole.merge(part);
    }
    let mut info = Info::new("Rialto", "1");
    info.description = Some(DESCRIPTION.to_owned());
    info.license = Some(License::new("MIT"));
    whole.info = info;
    // Relative to the document itself: right under every stage prefix and domain.
    whole.servers = Some(vec![Server::new(".")]);
    whole.tags = Some(tags());
    let mut bearer = Http::new(HttpAuthScheme::Bearer);
    bearer.bearer_format = Some("JWT".to_owned());
    bearer.description =
        Some("The access_token that POST /auth/login answers; good for 15 minutes.".to_owned());
    let components = whole.components.get_or_insert_default();
    components
        .security_schemes
        .insert("access_token".to_owned(), SecurityScheme::Http(bearer).into());
    whole.paths.paths.values_mut().for_each(describe_responses);
    whole
}

/// Says of every answer what its status says; OpenAPI 3.1 wants a word.
fn describe_responses(path: &mut PathItem) {
    let operations =
        [&mut path.get, &mut path.post, &mut path.put, &mut path.patch, &mut path.delete];
    for operation in operations.into_iter().flatten() {
        for (status, response) in &mut operation.responses.responses {
            let RefOr::T(response) = response else { continue };
            if response.description.is_empty() {
                response.description = match status.as_str() {
                    "201" => "It was created.",
                    "204" => "It was done.",
                    "4XX" => "It can't be done; `code` says why.",
                    "5XX" => "It couldn't be done.",
                    _ => "It is so.",
                }
                .to_owned();
            }
        }
    }
}

const DESCRIPTION: &str = "A commerce backend. Success is `{\"data\": …}`, a list has `pagination` beside it. \
    Errors are `application/problem+json` with a stable `code`. Money is a whole number of minor units; times are RFC 3339 UTC.";

fn tags() -> Vec<Tag> {
    let tag = |(name, description): (&str, &str)| {
        let mut tag = Tag::new(name);
        tag.description = Some(description.to_owned());
        tag
    };
    [
        ("accounts", "Users, sellers, sessions."),
        ("catalog", "Categories, brands, items, products."),
        ("inventory", "Stock and its movements."),
        ("orders", "Orders and their timelines."),
        ("payments", "Payments and refunds."),
        ("platform", "Health, this document and its page."),
    ]
    .map(tag)
    .into()
}
