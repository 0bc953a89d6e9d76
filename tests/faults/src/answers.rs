//! Error responses of AWS and of the payment provider, in their own format.

use crate::{call::Call, dice::SeededRng};
use serde_json::{Value, json};

/// Status and JSON body.
pub(crate) type InjectedError = (u16, Value);

const TRANSACTION: &str = "TransactWriteItems";

pub(crate) fn error(call: &Call) -> InjectedError {
    match call.service.as_str() {
        "provider" => {
            (500, json!({"error": {"type": "api_error", "message": "Something went wrong."}}))
        }
        "dynamodb" => (500, failed("com.amazonaws.dynamodb.v20120810#InternalServerError")),
        _ => (500, failed("InternalFailure")),
    }
}

pub(crate) fn throttle(call: &Call, body: &[u8], dice: &mut SeededRng) -> InjectedError {
    match (call.service.as_str(), call.operation.as_str()) {
        ("provider", _) => (
            429,
            json!({"error": {"type": "rate_limit_error", "code": "rate_limit", "message": "Too many."}}),
        ),
        ("dynamodb", TRANSACTION) => cancelled(body, "ThrottlingError", dice),
        ("dynamodb", _) if dice.percent(50) => {
            (400, failed("com.amazonaws.dynamodb.v20120810#ProvisionedThroughputExceededException"))
        }
        ("dynamodb", _) => (400, failed("com.amazon.coral.availability#ThrottlingException")),
        _ => (400, failed("ThrottlingException")),
    }
}

pub(crate) fn conflict(call: &Call, body: &[u8], dice: &mut SeededRng) -> InjectedError {
    match call.operation.as_str() {
        TRANSACTION => cancelled(body, "TransactionConflict", dice),
        _ => (400, failed("com.amazonaws.dynamodb.v20120810#TransactionConflictException")),
    }
}

fn failed(kind: &str) -> Value {
    json!({"__type": kind, "message": "as a rule of the fault proxy says"})
}

/// A cancelled transaction, with the reason at one random item.
fn cancelled(body: &[u8], code: &str, dice: &mut SeededRng) -> InjectedError {
    let request: Value = serde_json::from_slice(body).unwrap_or_default();
    let items = request["TransactItems"].as_array().map_or(1, Vec::len);
    let failing = usize::try_from(dice.below(items as u64)).unwrap_or_default();
    let reason = |at| {
        if at == failing {
            json!({"Code": code, "Message": "for a test"})
        } else {
            json!({"Code": "None"})
        }
    };
    let reasons: Vec<Value> = (0..items).map(reason).collect();
    let mut body = failed("com.amazonaws.dynamodb.v20120810#TransactionCanceledException");
    body["CancellationReasons"] = json!(reasons);
    (400, body)
}
