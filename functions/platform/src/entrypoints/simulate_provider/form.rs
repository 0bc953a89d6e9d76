//! Parsing of form fields and query parameters.

use super::responses::ErrorResponse;
use crate::domain::{
    action::BuyerAction, dispute::DisputeStatus, intent::Metadata, method::TestPaymentMethod,
};
use rialto_lambda::http::Request;
use std::collections::BTreeMap;

/// The maximum amount of a charge.
const MAX_AMOUNT: u64 = 99_999_999;

/// Parameters that the provider accepts and the simulator ignores.
const IGNORED: [&str; 8] = [
    "automatic_payment_methods[allow_redirects]",
    "automatic_payment_methods[enabled]",
    "cancellation_reason",
    "capture_method",
    "description",
    "error_on_requires_action",
    "off_session",
    "reason",
];

/// The fields that haven't been parsed yet.
#[derive(Debug)]
pub(super) struct Form(BTreeMap<String, String>);

impl Form {
    pub(super) fn read(request: &Request) -> Result<Self, ErrorResponse> {
        let media_type = request.header("content-type").unwrap_or_default();
        if !request.body.is_empty() && !media_type.starts_with("application/x-www-form-urlencoded")
        {
            return Err(ErrorResponse::not_a_form());
        }
        Ok(Self(form_urlencoded::parse(&request.body).into_owned().collect()))
    }

    pub(super) fn of_query(request: &Request) -> Self {
        Self(request.query.iter().cloned().collect())
    }

    pub(super) fn take(&mut self, name: &str) -> Option<String> {
        self.0.remove(name)
    }

    pub(super) fn required(&mut self, name: &'static str) -> Result<String, ErrorResponse> {
        self.take(name)
            .filter(|value| !value.is_empty())
            .ok_or_else(|| ErrorResponse::missing(name))
    }

    pub(super) fn amount(&mut self, name: &'static str) -> Result<Option<u64>, ErrorResponse> {
        let Some(text) = self.take(name) else { return Ok(None) };
        match text.parse() {
            Ok(amount @ 1..=MAX_AMOUNT) => Ok(Some(amount)),
            Ok(0) => Err(ErrorResponse::parameter(
                name,
                "This value must be greater than or equal to 1.",
            )),
            Ok(_) => Err(ErrorResponse::parameter(name, "Amount must be no more than 99999999.")),
            Err(_) => Err(ErrorResponse::parameter(name, &format!("Invalid integer: {text}"))),
        }
    }

    pub(super) fn currency(&mut self) -> Result<String, ErrorResponse> {
        let currency = self.required("currency")?;
        if currency.len() == 3 && currency.bytes().all(|letter| letter.is_ascii_lowercase()) {
            return Ok(currency);
        }
        Err(ErrorResponse::parameter("currency", &format!("Invalid currency: {currency}")))
    }

    pub(super) fn method(&mut self) -> Result<Option<TestPaymentMethod>, ErrorResponse> {
        let Some(name) = self.take("payment_method") else { return Ok(None) };
        TestPaymentMethod::parse(&name)
            .map(Some)
            .ok_or_else(|| ErrorResponse::no_such_payment_method(&name))
    }

    /// The decision of a dispute.
    pub(super) fn dispute_status(&mut self) -> Result<DisputeStatus, ErrorResponse> {
        match self.required("status")?.as_str() {
            "won" => Ok(DisputeStatus::Won),
            "lost" => Ok(DisputeStatus::Lost),
            other => {
                let message = format!("Invalid status: {other}; must be one of won or lost");
                Err(ErrorResponse::parameter("status", &message))
            }
        }
    }

    pub(super) fn action(&mut self) -> Result<BuyerAction, ErrorResponse> {
        BuyerAction::parse(&self.required("action")?)
            .ok_or_else(|| ErrorResponse::parameter("action", "Must be accept or decline."))
    }

    /// A web address without characters that a URL escapes.
    pub(super) fn return_url(&mut self) -> Result<Option<String>, ErrorResponse> {
        let Some(url) = self.take("return_url") else { return Ok(None) };
        let is_web = url.starts_with("https://") || url.starts_with("http://");
        let plain = url.bytes().all(|b| b.is_ascii_graphic() && !b"\"'<>\\`".contains(&b));
        if is_web && plain && url.len() <= 2_000 {
            Ok(Some(url))
        } else {
            Err(ErrorResponse::parameter("return_url", "Not a valid URL"))
        }
    }

    pub(super) fn flag(&mut self, name: &'static str) -> Result<bool, ErrorResponse> {
        match self.take(name).as_deref() {
            None | Some("false") => Ok(false),
            Some("true") => Ok(true),
            Some(other) => {
                Err(ErrorResponse::parameter(name, &format!("Invalid boolean: {other}")))
            }
        }
    }

    pub(super) fn limit(&mut self) -> Result<usize, ErrorResponse> {
        match self.take("limit").map(|text| text.parse()) {
            None => Ok(10),
            Some(Ok(limit @ 1..=100)) => Ok(limit),
            Some(_) => Err(ErrorResponse::parameter("limit", "This value must be 1 to 100.")),
        }
    }

    /// The fields `metadata[…]`, at most 50.
    pub(super) fn metadata(&mut self) -> Result<Metadata, ErrorResponse> {
        let name =
            |field: &str| Some(field.strip_prefix("metadata[")?.strip_suffix(']')?.to_owned());
        let fields: Vec<_> =
            self.0.keys().filter_map(|field| Some((field.clone(), name(field)?))).collect();
        let metadata: Metadata = fields
            .into_iter()
            .filter_map(|(field, name)| Some((name, self.take(&field)?)))
            .collect();
        let fits = |(name, value): (&String, &String)| {
            (1..=40).contains(&name.chars().count()) && value.chars().count() <= 500
        };
        if metadata.len() > 50 || !metadata.iter().all(fits) {
            return Err(ErrorResponse::parameter(
                "metadata",
                "Metadata has 50 keys of 40 characters at most.",
            ));
        }
        Ok(metadata)
    }

    /// Rejects the fields that haven't been parsed.
    pub(super) fn finish(mut self) -> Result<(), ErrorResponse> {
        self.0.retain(|name, _| !IGNORED.contains(&name.as_str()));
        match self.0.into_keys().next() {
            None => Ok(()),
            Some(name) => Err(ErrorResponse::unknown_parameter(&name)),
        }
    }
}
