//! The gateway's authorizer. It answers each call with a policy and never refuses by failing: a failure counts as a fault
//! of this function, and there should be one only when there is one.
//!
//! A call whose token never was one of ours is denied, and the gateway answers `unauthenticated`: in the template,
//! ACCESS_DENIED has status 401, as nothing else is denied there (what a role may do, functions decide). A call whose
//! token has expired, or whose session has ended, goes on to its function, marked so, and the function answers
//! `token_expired`; why is told at [`Authorized`].

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
use std::{collections::HashMap, sync::Arc};

pub fn main() {
    boot::run("accounts-authorizer", build);
}

fn build(app: &FunctionContext) -> boot::Handler {
    app.settings.prefetch(&[JWKS.name]);
    let (app, store) = (app.clone(), DynamoAccounts::open(app));
    Arc::new(move |payload, _| {
        let (app, store) = (app.clone(), store.clone());
        Box::pin(async move { handle(&app, &store, payload).await })
    })
}

/// What the gateway asks, as far as it matters here.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct AuthorizerRequest {
    method_arn: String,
    /// Named as the client wrote them.
    headers: Option<HashMap<String, String>>,
}

async fn handle(
    app: &FunctionContext,
    store: &DynamoAccounts,
    payload: Value,
) -> Result<Value, Failure> {
    let question: AuthorizerRequest = serde_json::from_value(payload)?;
    let authorization = authorization(&question);
    let decision =
        authorize(store, &app.settings, &app.stage, authorization, app.clock.now()).await?;
    match &decision {
        AuthorizerDecision::Allow(AuthorizerContext::Active { sub, .. }) => {
            tracing::info!(account = sub, "let in")
        }
        AuthorizerDecision::Allow(AuthorizerContext::Ended) => {
            tracing::info!("refused: expired or ended")
        }
        AuthorizerDecision::Deny => tracing::info!("refused: no valid token"),
    }
    policy(&question.method_arn, &decision)
}

fn authorization(question: &AuthorizerRequest) -> Option<&str> {
    let mut headers = question.headers.iter().flatten();
    headers
        .find(|(name, _)| name.eq_ignore_ascii_case("authorization"))
        .map(|(_, value)| value.as_str())
}

/// The answer holds for this one call, as nothing of it is kept (a lifetime of 0 in the template). So it may name the whole
/// stage, which spares the gateway from reading a path that a client chose as a pattern.
fn policy(method_arn: &str, decision: &AuthorizerDecision) -> Result<Value, Failure> {
    let (effect, principal, context) = match decision {
        AuthorizerDecision::Allow(authorized @ AuthorizerContext::Active { sub, .. }) => {
            ("Allow", sub.as_str(), serde_json::to_value(authorized)?)
        }
        AuthorizerDecision::Allow(authorized @ AuthorizerContext::Ended) => {
            ("Allow", "nobody", serde_json::to_value(authorized)?)
        }
        AuthorizerDecision::Deny => ("Deny", "nobody", json!({})),
    };
    let stage: Vec<&str> = method_arn.splitn(3, '/').take(2).collect();
    Ok(json!({
        "principalId": principal,
        "policyDocument": {
            "Version": "2012-10-17",
            "Statement": [{
                "Action": "execute-api:Invoke", "Effect": effect, "Resource": format!("{}/*", stage.join("/")),
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

    fn statement(answer: &Value) -> (&str, &str) {
        let statement = &answer["policyDocument"]["Statement"][0];
        (statement["Effect"].as_str().unwrap(), statement["Resource"].as_str().unwrap())
    }

    #[test]
    fn an_active_session_is_allowed_with_its_claims() {
        let sid = SessionId::derive(&[b"1"]);
        let active = AuthorizerContext::Active { sub: "usr_1".to_owned(), sid, role: Role::User };
        let answer = policy(ARN, &AuthorizerDecision::Allow(active)).unwrap();
        assert_eq!(statement(&answer), ("Allow", STAGE));
        assert_eq!(answer["principalId"], "usr_1");
        assert_eq!(
            answer["context"],
            json!({"session": "active", "sub": "usr_1", "sid": sid, "role": "USER"})
        );
    }

    #[test]
    fn an_ended_session_is_marked_so() {
        let answer = policy(ARN, &AuthorizerDecision::Allow(AuthorizerContext::Ended)).unwrap();
        assert_eq!(statement(&answer), ("Allow", STAGE));
        assert_eq!(answer["context"], json!({"session": "ended"}));
    }

    #[test]
    fn whoever_is_turned_away_is_denied() {
        let answer = policy(ARN, &AuthorizerDecision::Deny).unwrap();
        assert_eq!(statement(&answer), ("Deny", STAGE));
        assert_eq!(answer["context"], json!({}));
    }

    #[test]
    fn the_gateways_question_is_understood() {
        let sample = include_str!("../../../../events/samples/accounts-authorizer.json");
        let question: AuthorizerRequest = serde_json::from_str(sample).unwrap();
        assert_eq!(authorization(&question), Some("Bearer <access token>"));
        assert!(question.method_arn.ends_with("/stock"));
    }

    #[test]
    fn the_header_is_found_whatever_its_case() {
        let question = |headers: Value| -> AuthorizerRequest {
            serde_json::from_value(json!({"type": "REQUEST", "methodArn": ARN, "headers": headers}))
                .unwrap()
        };
        for name in ["Authorization", "authorization", "AUTHORIZATION"] {
            let question = question(json!({"Accept": "*/*", (name): "Bearer x"}));
            assert_eq!(authorization(&question), Some("Bearer x"), "{name}");
        }
        assert_eq!(authorization(&question(json!({}))), None);
        assert_eq!(authorization(&question(Value::Null)), None);
    }
}
