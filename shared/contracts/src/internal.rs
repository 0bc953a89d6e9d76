//! Synchronous requests between services: a request to the internal function of another service,
//! and its response.
//!
//! Personal data travels here, and never on the bus.

use rialto_kernel::{Address, AddressId, Amount, Currency, OrderId, SellerId, Timestamp, UserId};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

/// A request to the internal function of another service.
pub trait InternalRequest: Into<Self::Requests> {
    type Requests: Serialize + Send;
    type Response: DeserializeOwned + Serialize;
    /// The function that handles it, such as `orders-answer-services`.
    const FUNCTION: &'static str;
}

/// A request with its correlation id and trace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequestEnvelope<Q> {
    pub question: Q,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub correlationid: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traceparent: Option<String>,
}

macro_rules! requests {
    ($all:ident { $($request:ident -> $response:ty),* }) => {$(
        impl InternalRequest for $request {
            type Requests = $all;
            type Response = $response;
            const FUNCTION: &'static str = FUNCTION;
        }

        impl From<$request> for $all {
            fn from(request: $request) -> Self {
                Self::$request(request)
            }
        }
    )*};
}
use requests;

/// Requests to orders.
pub mod orders {
    use super::{
        Address, Amount, Currency, Deserialize, InternalRequest, OrderId, SellerId, Serialize,
        Timestamp, UserId,
    };

    pub const FUNCTION: &str = "orders-answer-services";

    #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
    #[serde(tag = "ask", rename_all = "snake_case")]
    pub enum OrdersRequest {
        RecentOrders(RecentOrders),
        OpenOrders(OpenOrders),
        #[serde(rename = "open_lines")]
        HasOpenLines(HasOpenLines),
        #[serde(rename = "address_of")]
        GetOrderAddress(GetOrderAddress),
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
    pub struct HasOpenLines {
        pub seller_id: SellerId,
    }

    /// The address of an order; `None` if there is no such order, or once it was erased.
    #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
    pub struct GetOrderAddress {
        pub order_id: OrderId,
    }

    super::requests! { OrdersRequest {
        RecentOrders -> Vec<RecentOrder>,
        OpenOrders -> bool,
        HasOpenLines -> bool,
        GetOrderAddress -> Option<Address>
    } }
}

/// Requests to accounts.
pub mod accounts {
    use super::{Address, AddressId, Deserialize, InternalRequest, Serialize, UserId};
    use rialto_kernel::AccountId;

    pub const FUNCTION: &str = "accounts-answer-services";

    #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
    #[serde(tag = "ask", rename_all = "snake_case")]
    pub enum AccountsRequest {
        #[serde(rename = "address_of")]
        GetAddress(GetAddress),
        #[serde(rename = "mail_of")]
        GetEmail(GetEmail),
    }

    /// A buyer's saved address, if it exists.
    #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
    pub struct GetAddress {
        pub user_id: UserId,
        pub address_id: AddressId,
    }

    /// An account's email address; `None` if the account is closed or doesn't want mail.
    #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
    pub struct GetEmail {
        pub account_id: AccountId,
    }

    super::requests! { AccountsRequest { GetAddress -> Option<Address>, GetEmail -> Option<String> } }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_tagged_with_its_kind() {
        let user_id = UserId::derive(&[b"u"]);
        let question: orders::OrdersRequest = orders::RecentOrders { user_id }.into();
        let envelope = RequestEnvelope { question, correlationid: None, traceparent: None };
        let text = serde_json::to_string(&envelope).unwrap();
        assert_eq!(
            text,
            format!(r#"{{"question":{{"ask":"recent_orders","user_id":"{user_id}"}}}}"#)
        );
        assert_eq!(
            serde_json::from_str::<RequestEnvelope<orders::OrdersRequest>>(&text).unwrap(),
            envelope
        );
    }
}
