//! The gateway's authorizer. It denies with a policy, never with an error: API Gateway counts
//! errors as faults of this function, and those should only be real ones.
//!
//! A request without a valid token is denied, and the gateway responds `unauthenticated`: in the
//! template ACCESS_DENIED has status 401, since nothing else is denied here (functions decide what
//! a role may do). A request whose token has expired, or whose session has ended, is allowed and
//! marked so, and the function responds `token_expired`; see [`AuthorizerContext`] for the reason.

use crate::{
    adapters::dynamodb::DynamoAccounts,
    application::authorize::{AuthorizerDecision, authorize},
};
use rialto_kernel::settings::JWKS;
use rialto_lambda::{
    FunctionContext,
    boot::{self, Failure},
    caller::AuthorizerContext,
};
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::HashMap;

pub fn main() {
    boot::run("accounts-authorizer", |app| {
        app.settings.prefetch(&[JWKS.name]);
        let state = (app.clone(), DynamoAccounts::open(app));
        boot::handler(state, |state, payload, _| handle(state, payload))
    });
}

/// The part of the gateway's authorizer request that is used here.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct AuthorizerRequest {
    method_arn: String,
    /// Names are spelt as the client sent them.
    headers: Option<HashMap<String, String>>,
}

async fn handle(
    (app, store): (FunctionContext, DynamoAccounts),
    payload: Value,
) -> Result<Value, Failure> {
    let request: AuthorizerRequest = serde_json::from_value(payload)?;
    let authorization = authorization(&request);
    let decision =
        authorize(&store, &app.settings, &app.stage, authorization, app.clock.now()).await?;
    match &decision {
        AuthorizerDecision::Allow(AuthorizerContext::Active { sub, .. }) => {
            tracing::info!(account = sub, "allowed")
        }
        AuthorizerDecision::Allow(AuthorizerContext::Ended) => {
            tracing::info!("allowed as ended: token expired or session ended")
        }
        AuthorizerDecision::Deny => tracing::info!("denied: no valid token"),
    }
    policy(&request.method_arn, &decision)
}

fn authorization(request: &AuthorizerRequest) -> Option<&str> {
    let mut headers = request.headers.iter().flatten();
    headers
        .find(|(name, _)| name.eq_ignore_ascii_case("authorization"))
        .map(|(_, value)| value.as_str())
}

/// The policy applies to this one request, since the template disables caching. It names the entire
/// stage, so that the gateway doesn't interpret a path that the client chose as a pattern.
fn policy(method_arn: &str, decision: &AuthorizerDecision) -> Result<Value, Failure> {
    let (effect, principal, context) = match decision {
        AuthorizerDecision::Allow(context @ AuthorizerContext::Active { sub, .. }) => {
            ("Allow", sub.as_str(), serde_json::to_value(context)?)
        }
        AuthorizerDecision::Allow(context @ AuthorizerContext::Ended) => {
            ("Allow", "nobody", serde_json::to_value(context)?)
        }
        AuthorizerDecision::Deny => ("Deny", "nobody", json!({})),
    };
    let stage: Vec<&str> = method_arn.splitn(3, '/').take(2).collect();
    Ok(json!({
        "principalId": principal,
        "policyDocument": {
            "Version": "2012-10-17",
            "Statement": [{
                "Action": "execute-api:Invoke",
                "Effect": effect,
                "Resource": format!("{}/*", stage.join("/")),
            }],
        },
        "context": context,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rialto_kernel::{Role, SessionId};

    const ARN: &str =
        "arn:aws:execute-api:eu-central-1:123456789012:abc123/prod/GET/users/*/orders/${x}";
    const STAGE: &str = "arn:aws:execute-api:eu-central-1:123456789012:abc123/prod/*";

    fn statement(response: &Value) -> (&str, &str) {
        let statement = &response["policyDocument"]["Statement"][0];
        (statement["Effect"].as_str().unwrap(), statement["Resource"].as_str().unwrap())
    }

    #[test]
    fn an_active_session_is_allowed_with_its_claims() {
        let sid = SessionId::derive(&[b"1"]);
        let active = AuthorizerContext::Active { sub: "usr_1".to_owned(), sid, role: Role::User };
        let response = policy(ARN, &AuthorizerDecision::Allow(active)).unwrap();
        assert_eq!(statement(&response), ("Allow", STAGE));
        assert_eq!(response["principalId"], "usr_1");
        assert_eq!(
            response["context"],
            json!({"session": "active", "sub": "usr_1", "sid": sid, "role": "USER"})
        );
    }

    #[test]
    fn an_ended_session_is_marked_so() {
        let response = policy(ARN, &AuthorizerDecision::Allow(AuthorizerContext::Ended)).unwrap();
        assert_eq!(statement(&response), ("Allow", STAGE));
        assert_eq!(response["context"], json!({"session": "ended"}));
    }

    #[test]
    fn a_request_without_a_valid_token_is_denied() {
        let response = policy(ARN, &AuthorizerDecision::Deny).unwrap();
        assert_eq!(statement(&response), ("Deny", STAGE));
        assert_eq!(response["context"], json!({}));
    }

    #[test]
    fn the_gateways_request_is_parsed() {
        let sample = include_str!("../../../../events/samples/accounts-authorizer.json");
        let request: AuthorizerRequest = serde_json::from_str(sample).unwrap();
        assert_eq!(authorization(&request), Some("Bearer <access token>"));
        assert!(request.method_arn.ends_with("/stock"));
    }

    #[test]
    fn the_authorization_header_is_found_in_any_case() {
        let request = |headers: Value| -> AuthorizerRequest {
            serde_json::from_value(json!({"type": "REQUEST", "methodArn": ARN, "headers": headers}))
                .unwrap()
        };
        for name in ["Authorization", "authorization", "AUTHORIZATION"] {
            let request = request(json!({"Accept": "*/*", (name): "Bearer x"}));
            assert_eq!(authorization(&request), Some("Bearer x"), "{name}");
        }
        assert_eq!(authorization(&request(json!({}))), None);
        assert_eq!(authorization(&request(Value::Null)), None);
    }
}
