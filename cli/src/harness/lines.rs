//! What sellers and buyers do to the lines of an order after it was confirmed.

use super::{
    shop::{Role, Shop, eventually, in_words},
    step::{LineAction, LineStep},
};
use crate::{
    api::{ApiError, Call},
    password,
};
use serde::Deserialize;
use serde_json::{Value, json};
use std::time::Duration;

/// An order with its lines, as the API shows it.
#[derive(Debug, Deserialize)]
struct OrderLinesView {
    user_id: String,
    lines: Vec<LineView>,
}

#[derive(Debug, Deserialize)]
struct LineView {
    line_no: u32,
    state: String,
}

#[derive(Debug, Deserialize)]
struct DeliveryView {
    delivery_id: String,
    order_id: String,
    line_no: u32,
}

/// Refusals after which a step is tried again: another service hasn't received an event yet.
const TRANSIENT: [&str; 3] = ["illegal_transition", "cancel_pending", "not_found"];

impl LineAction {
    /// The last part of the route's path; `None` for what is done to the delivery.
    const fn route(self) -> Option<&'static str> {
        Some(match self {
            Self::Accept => "accept",
            Self::Reject => "reject",
            Self::Split => "split",
            Self::Cancel => "cancel",
            Self::ConfirmCancel => "confirm-cancel",
            Self::Return => "return",
            Self::ConfirmReturn { .. } => "confirm-return",
            Self::DeclineReturn => "decline-return",
            Self::Ship | Self::Deliver | Self::Receive => return None,
        })
    }

    const fn is_the_buyers(self) -> bool {
        matches!(self, Self::Cancel | Self::Return | Self::Receive)
    }
}

impl LineStep {
    fn body(&self) -> Value {
        let mut body = match self.action {
            LineAction::Return => json!({ "reason": "returned by rialto harness" }),
            LineAction::ConfirmReturn { restock } => json!({ "restock": restock }),
            LineAction::DeclineReturn => json!({ "reason": "declined by rialto harness" }),
            _ => json!({}),
        };
        if let Some(pieces) = self.pieces {
            body["quantity"] = json!(pieces);
        }
        body
    }
}

impl Shop {
    /// Does something to a line of an order of this buyer, as soon as it is possible. `within`
    /// bounds the wait.
    ///
    /// # Errors
    /// A refusal that lasts, in words.
    pub(crate) async fn act_on_line(
        &self,
        step: &LineStep,
        order: &str,
        buyer: Role,
        within: Duration,
    ) -> Result<(), String> {
        let role = if step.action.is_the_buyers() { buyer } else { Role::Seller };
        let key = password::generate().map_err(|failure| failure.to_string())?;
        let mut lasting = None;
        let tried = eventually(within, async || {
            let result = self.try_line_step(step, order, role, &key).await;
            match (result, &step.refused) {
                (Ok(()), None) => Ok(()),
                (Ok(()), Some(code)) => {
                    lasting = Some(format!("it was accepted, expected {code}"));
                    Ok(())
                }
                (Err(error), Some(code)) if error.is(code) => Ok(()),
                (Err(error), _) if TRANSIENT.iter().any(|code| error.is(code)) => {
                    Err(in_words(error))
                }
                (Err(error), _) => {
                    lasting = Some(in_words(error));
                    Ok(())
                }
            }
        })
        .await;
        let error = match lasting {
            Some(error) => Err(error),
            None => tried,
        };
        error.map_err(|error| format!("line {} of {order}: {error}", step.line))
    }

    async fn try_line_step(
        &self,
        step: &LineStep,
        order: &str,
        role: Role,
        key: &str,
    ) -> Result<(), ApiError> {
        let session = self.session(role).await?;
        let call = match step.action.route() {
            Some(route) => {
                let path = format!("/orders/{order}/lines/{}/{route}", step.line);
                let call = self.api.post(path, step.body());
                if step.pieces.is_some() { call.key(key) } else { call }
            }
            None => self.delivery_call(step, order).await?,
        };
        call.by(&session).read::<Value>().await.map(drop)
    }

    /// The request about the line's delivery, or about none, if it isn't listed yet.
    async fn delivery_call(&self, step: &LineStep, order: &str) -> Result<Call<'_>, ApiError> {
        let supervisor = self.session(Role::Supervisor).await?;
        let view: OrderLinesView =
            self.api.get(format!("/orders/{order}")).by(&supervisor).read().await?;
        let path = format!("/users/{}/deliveries", view.user_id);
        let listed: Vec<DeliveryView> = self.api.get(path).by(&supervisor).read_all().await?;
        let delivery = listed
            .iter()
            .find(|delivery| delivery.order_id == order && delivery.line_no == step.line)
            .map_or("dlv_00000000000000000000000000", |delivery| &delivery.delivery_id);
        let path = |last: &str| format!("/deliveries/{delivery}/{last}");
        Ok(match step.action {
            LineAction::Receive => self.api.post(path("receipt"), json!({})),
            LineAction::Deliver => self.api.put(path("status"), json!({ "status": "DELIVERED" })),
            _ => {
                let number = format!("H{}", step.line);
                let body = json!({
                    "status": "DELIVERING",
                    "carrier": "Harness",
                    "tracking_number": number,
                });
                self.api.put(path("status"), body)
            }
        })
    }

    /// The state of a line of an order.
    ///
    /// # Errors
    /// A refusal, or no such line, in words.
    pub(crate) async fn line_state(&self, order: &str, line: u32) -> Result<String, String> {
        let supervisor = self.session(Role::Supervisor).await.map_err(in_words)?;
        let call = self.api.get(format!("/orders/{order}"));
        let view: OrderLinesView = call.by(&supervisor).read().await.map_err(in_words)?;
        let found = view.lines.into_iter().find(|found| found.line_no == line);
        found.map(|line| line.state).ok_or_else(|| format!("{order} has no line {line}"))
    }
}
