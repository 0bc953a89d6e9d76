//! Error responses of AWS and of the payment provider, in their own format.

use crate::{call::Call, rng::SeededRng};
use serde_json::{Value, json};

/// Status and JSON body.
pub(crate) type InjectedError = (u16, Value);

const TRANSACTION: &str = "TransactWriteItems";

pub(crate) fn internal_error(call: &Call) -> InjectedError {
    match call.service.as_str() {
        "provider" => {
            (500, json!({"error": {"type": "api_error", "message": "Something went wrong."}}))
        }
        "dynamodb" => (500, aws_error("com.amazonaws.dynamodb.v20120810#InternalServerError")),
        _ => (500, aws_error("InternalFailure")),
    }
}

pub(crate) fn throttle(call: &Call, body: &[u8], rng: &mut SeededRng) -> InjectedError {
    match (call.service.as_str(), call.operation.as_str()) {
        ("provider", _) => (
            429,
            json!({"error": {"type": "rate_limit_error", "code": "rate_limit", "message": "Too many."}}),
        ),
        ("dynamodb", TRANSACTION) => cancelled_transaction(body, "ThrottlingError", rng),
        ("dynamodb", _) if rng.percent(50) => (
            400,
            aws_error("com.amazonaws.dynamodb.v20120810#ProvisionedThroughputExceededException"),
        ),
        ("dynamodb", _) => (400, aws_error("com.amazon.coral.availability#ThrottlingException")),
        _ => (400, aws_error("ThrottlingException")),
    }
}

pub(crate) fn conflict(call: &Call, body: &[u8], rng: &mut SeededRng) -> InjectedError {
    match call.operation.as_str() {
        TRANSACTION => cancelled_transaction(body, "TransactionConflict", rng),
        _ => (400, aws_error("com.amazonaws.dynamodb.v20120810#TransactionConflictException")),
    }
}

fn aws_error(kind: &str) -> Value {
    json!({"__type": kind, "message": "injected by the fault proxy"})
}

/// A cancelled transaction, with the reason at one random item.
fn cancelled_transaction(body: &[u8], code: &str, rng: &mut SeededRng) -> InjectedError {
    let request: Value = serde_json::from_slice(body).unwrap_or_default();
    let items = request["TransactItems"].as_array().map_or(1, Vec::len);
    let failing = usize::try_from(rng.below(items as u64)).unwrap_or_default();
    let reason = |index| {
        if index == failing {
            json!({"Code": code, "Message": "injected by the fault proxy"})
        } else {
            json!({"Code": "None"})
        }
    };
    let reasons: Vec<Value> = (0..items).map(reason).collect();
    let mut body = aws_error("com.amazonaws.dynamodb.v20120810#TransactionCanceledException");
    body["CancellationReasons"] = json!(reasons);
    (400, body)
}
