//! What a request asks for: fields in a form, or in the query.

use super::answer::Fault;
use crate::domain::{intent::Metadata, method::TestPaymentMethod};
use rialto_lambda::http::Request;
use std::collections::BTreeMap;

/// The most that the provider charges at once.
const MAX_AMOUNT: u64 = 99_999_999;

/// What the provider takes too, and what changes nothing here.
const WITHOUT_EFFECT: [&str; 8] = [
    "automatic_payment_methods[allow_redirects]",
    "automatic_payment_methods[enabled]",
    "cancellation_reason",
    "capture_method",
    "description",
    "error_on_requires_action",
    "off_session",
    "reason",
];

/// The fields that aren't read yet.
#[derive(Debug)]
pub(super) struct Form(BTreeMap<String, String>);

impl Form {
    pub(super) fn read(request: &Request) -> Result<Self, Fault> {
        let media_type = request.header("content-type").unwrap_or_default();
        if !request.body.is_empty() && !media_type.starts_with("application/x-www-form-urlencoded")
        {
            return Err(Fault::not_a_form());
        }
        Ok(Self(form_urlencoded::parse(&request.body).into_owned().collect()))
    }

    pub(super) fn of_query(request: &Request) -> Self {
        Self(request.query.iter().cloned().collect())
    }

    pub(super) fn take(&mut self, name: &str) -> Option<String> {
        self.0.remove(name)
    }

    pub(super) fn required(&mut self, name: &'static str) -> Result<String, Fault> {
        self.take(name).filter(|value| !value.is_empty()).ok_or_else(|| Fault::missing(name))
    }

    pub(super) fn amount(&mut self, name: &'static str) -> Result<Option<u64>, Fault> {
        let Some(text) = self.take(name) else { return Ok(None) };
        match text.parse() {
            Ok(amount @ 1..=MAX_AMOUNT) => Ok(Some(amount)),
            Ok(0) => Err(Fault::parameter(name, "This value must be greater than or equal to 1.")),
            Ok(_) => Err(Fault::parameter(name, "Amount must be no more than 99999999.")),
            Err(_) => Err(Fault::parameter(name, &format!("Invalid integer: {text}"))),
        }
    }

    pub(super) fn currency(&mut self) -> Result<String, Fault> {
        let currency = self.required("currency")?;
        if currency.len() == 3 && currency.bytes().all(|letter| letter.is_ascii_lowercase()) {
            return Ok(currency);
        }
        Err(Fault::parameter("currency", &format!("Invalid currency: {currency}")))
    }

    pub(super) fn method(&mut self) -> Result<Option<TestPaymentMethod>, Fault> {
        let Some(name) = self.take("payment_method") else { return Ok(None) };
        TestPaymentMethod::parse(&name).map(Some).ok_or_else(|| Fault::no_such_method(&name))
    }

    pub(super) fn flag(&mut self, name: &'static str) -> Result<bool, Fault> {
        match self.take(name).as_deref() {
            None | Some("false") => Ok(false),
            Some("true") => Ok(true),
            Some(other) => Err(Fault::parameter(name, &format!("Invalid boolean: {other}"))),
        }
    }

    pub(super) fn limit(&mut self) -> Result<usize, Fault> {
        match self.take("limit").map(|text| text.parse()) {
            None => Ok(10),
            Some(Ok(limit @ 1..=100)) => Ok(limit),
            Some(_) => Err(Fault::parameter("limit", "This value must be 1 to 100.")),
        }
    }

    /// The fields `metadata[…]`: 50 at most.
    pub(super) fn metadata(&mut self) -> Result<Metadata, Fault> {
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
            return Err(Fault::parameter(
                "metadata",
                "Metadata has 50 keys of 40 characters at most.",
            ));
        }
        Ok(metadata)
    }

    /// Refuses what nobody asked for.
    pub(super) fn finish(mut self) -> Result<(), Fault> {
        self.0.retain(|name, _| !WITHOUT_EFFECT.contains(&name.as_str()));
        match self.0.into_keys().next() {
            None => Ok(()),
            Some(name) => Err(Fault::unknown_parameter(&name)),
        }
    }
}
