//! What one service asks another directly: a question to its internal function, and the answer.
//!
//! Personal data travels here, and never on the bus.

use rialto_kernel::{Address, AddressId, Amount, Currency, OrderId, SellerId, Timestamp, UserId};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

/// One question, which goes to the internal function of the service that knows.
pub trait Question: Into<Self::Questions> {
    type Questions: Serialize + Send;
    type Answer: DeserializeOwned + Serialize;
    /// The function that answers, such as `orders-answer-services`.
    const FUNCTION: &'static str;
}

/// A question on its way, with the trace it belongs to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asked<Q> {
    pub question: Q,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub correlationid: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traceparent: Option<String>,
}

macro_rules! question {
    ($($question:ident -> $answer:ty),*) => {$(
        impl Question for $question {
            type Questions = Questions;
            type Answer = $answer;
            const FUNCTION: &'static str = FUNCTION;
        }

        impl From<$question> for Questions {
            fn from(question: $question) -> Self {
                Self::$question(question)
            }
        }
    )*};
}
use question;

/// What orders answers.
pub mod orders {
    use super::{
        Amount, Currency, Deserialize, OrderId, Question, SellerId, Serialize, Timestamp, UserId,
    };

    pub const FUNCTION: &str = "orders-answer-services";

    #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
    #[serde(tag = "ask", rename_all = "snake_case")]
    pub enum Questions {
        RecentOrders(RecentOrders),
        OpenOrders(OpenOrders),
        OpenLines(OpenLines),
    }

    /// A buyer's newest orders, ten at most.
    #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
    pub struct RecentOrders {
        pub user_id: UserId,
    }

    #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
    pub struct RecentOrder {
        pub order_id: OrderId,
        /// Such as `CONFIRMED`.
        pub state: String,
        pub total: Amount,
        pub currency: Currency,
        pub created_at: Timestamp,
    }

    /// Whether a buyer has an order that hasn't ended.
    #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
    pub struct OpenOrders {
        pub user_id: UserId,
    }

    /// Whether a seller has a line that hasn't ended.
    #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
    pub struct OpenLines {
        pub seller_id: SellerId,
    }

    super::question! { RecentOrders -> Vec<RecentOrder>, OpenOrders -> bool, OpenLines -> bool }
}

/// What accounts answers.
pub mod accounts {
    use super::{Address, AddressId, Deserialize, Question, Serialize, UserId};
    use rialto_kernel::AccountId;

    pub const FUNCTION: &str = "accounts-answer-services";

    #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
    #[serde(tag = "ask", rename_all = "snake_case")]
    pub enum Questions {
        AddressOf(AddressOf),
        MailOf(MailOf),
    }

    /// A buyer's address; none if they have no such one.
    #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
    pub struct AddressOf {
        pub user_id: UserId,
        pub address_id: AddressId,
    }

    /// Where an account's mail goes; none if it wants none, or is no more.
    #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
    pub struct MailOf {
        pub account_id: AccountId,
    }

    super::question! { AddressOf -> Option<Address>, MailOf -> Option<String> }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_says_what_is_asked() {
        let user_id = UserId::derive(&[b"u"]);
        let question: orders::Questions = orders::RecentOrders { user_id }.into();
        let asked = Asked { question, correlationid: None, traceparent: None };
        let text = serde_json::to_string(&asked).unwrap();
        assert_eq!(
            text,
            format!(r#"{{"question":{{"ask":"recent_orders","user_id":"{user_id}"}}}}"#)
        );
        assert_eq!(serde_json::from_str::<Asked<orders::Questions>>(&text).unwrap(), asked);
    }
}
