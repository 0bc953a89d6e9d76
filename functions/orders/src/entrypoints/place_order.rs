use super::views::{OrderBody, requester};
use crate::{
    adapters::{accounts::AccountsClient, dynamodb::DynamoOrders},
    application::{
        get_order::Requester,
        place_order::{PlaceOrder, PlaceOrderError, PlacementTerms, place_order},
    },
    domain::{
        line_terms::LineTerms,
        placement_limit::{ClientDigest, PlacementLimits},
        quote::{PricingTerms, Quote},
        request::{MAX_LINES, OrderRequest, PaymentMethod, RequestedLine, ShippingAddress},
    },
};
use rialto_kernel::{
    AddressId, Amount, Currency, Fields, Invalid, ProductId, Quantity, Timestamp, UserId,
    settings::{
        ACCEPT_DEADLINE, CANCEL_DEADLINE, CURRENCY, FAILED_PAYMENTS_PER_BUYER, FREE_SHIPPING_FROM,
        HOLD_RETRY, PENDING_DEADLINE, PLACEMENTS_PER_BUYER, RETURN_DEADLINE, RETURN_WINDOW,
        SHIPPING_FEE,
    },
};
use rialto_lambda::{
    FunctionContext,
    http::{self, AddressRequest, Data, Problem, ProblemBody, ProblemCode, Request, Response},
    settings::{Settings, SettingsError},
};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use utoipa::ToSchema;

pub fn main() {
    http::serve("orders-place-order", |app| http::handler(PlaceOrderState::open(app), handle));
}

#[derive(Clone)]
pub(crate) struct PlaceOrderState {
    store: DynamoOrders,
    accounts: AccountsClient,
    settings: Arc<Settings>,
}

impl PlaceOrderState {
    fn open(app: &FunctionContext) -> Self {
        app.settings.prefetch(&[
            CURRENCY.name,
            SHIPPING_FEE.name,
            FREE_SHIPPING_FROM.name,
            PENDING_DEADLINE.name,
            PLACEMENTS_PER_BUYER.name,
            FAILED_PAYMENTS_PER_BUYER.name,
            ACCEPT_DEADLINE.name,
            CANCEL_DEADLINE.name,
            HOLD_RETRY.name,
            RETURN_WINDOW.name,
            RETURN_DEADLINE.name,
        ]);
        Self {
            store: DynamoOrders::open(app),
            accounts: AccountsClient::new(app),
            settings: Arc::clone(&app.settings),
        }
    }
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PlaceOrderRequest {
    #[schema(min_items = 1, max_items = 20)]
    lines: Vec<OrderLineRequest>,
    /// The shipping address. Exactly one of `address` and `address_id` is required.
    address: Option<AddressRequest>,
    /// The id of a saved address of the buyer.
    #[schema(value_type = Option<AddressId>)]
    address_id: Option<String>,
    /// The payment provider's id of the payment method, such as `pm_card_visa`.
    #[schema(pattern = "^pm_[A-Za-z0-9_]{1,61}$")]
    payment_method: String,
    /// The total that the buyer agrees to, in minor units; the order is rejected if it differs.
    #[schema(minimum = 0, maximum = 1_000_000_000_000i64)]
    expected_total: Option<i64>,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct OrderLineRequest {
    #[schema(value_type = ProductId)]
    product_id: String,
    #[schema(minimum = 1, maximum = 999)]
    quantity: i64,
}

impl PlaceOrderRequest {
    fn parse(self) -> Result<OrderRequest<ShippingAddress>, Invalid> {
        let mut fields = Fields::default();
        if self.lines.is_empty() || self.lines.len() > MAX_LINES {
            fields.reject("lines", format!("must be 1 to {MAX_LINES}"));
        }
        let mut lines = Vec::new();
        for (index, line) in self.lines.iter().enumerate().take(MAX_LINES) {
            let product_id = fields
                .field(format!("lines[{index}].product_id"), ProductId::parse(&line.product_id));
            let quantity =
                fields.field(format!("lines[{index}].quantity"), Quantity::new(line.quantity));
            if let (Some(product_id), Some(quantity)) = (product_id, quantity) {
                lines.push(RequestedLine { product_id, quantity });
            }
        }
        let address = shipping_address(self.address, self.address_id, &mut fields);
        let payment_method =
            fields.field("payment_method", PaymentMethod::parse(&self.payment_method));
        let expected_total = self
            .expected_total
            .and_then(|total| fields.field("expected_total", Amount::new(total)));
        let request = address.zip(payment_method).map(|(address, payment_method)| OrderRequest {
            lines,
            address,
            payment_method,
            expected_total,
        });
        fields.build(request)
    }
}

fn shipping_address(
    inline: Option<AddressRequest>,
    saved: Option<String>,
    fields: &mut Fields,
) -> Option<ShippingAddress> {
    match (inline, saved) {
        (Some(inline), None) => inline.parse("address.", fields).map(ShippingAddress::Inline),
        (None, Some(saved)) => {
            fields.field("address_id", AddressId::parse(&saved)).map(ShippingAddress::Saved)
        }
        (inline, _) => {
            let field = if inline.is_some() { "address_id" } else { "address" };
            fields.reject(field, "give either address or address_id".to_owned());
            None
        }
    }
}

/// The order's current price, in minor units of `currency`.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Quote)]
pub struct QuoteBody {
    pub lines: Vec<QuotedLineBody>,
    pub shipping_fee: Amount,
    pub total: Amount,
    pub currency: Currency,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = QuotedLine)]
pub struct QuotedLineBody {
    pub product_id: ProductId,
    pub title: String,
    pub quantity: Quantity,
    pub unit_price: Amount,
    pub share: Amount,
}

impl From<&Quote> for QuoteBody {
    fn from(quote: &Quote) -> Self {
        let lines = quote.lines.iter().map(|line| QuotedLineBody {
            product_id: line.product_id,
            title: line.title.clone(),
            quantity: line.quantity,
            unit_price: line.unit_price,
            share: line.share,
        });
        Self {
            lines: lines.collect(),
            shipping_fee: quote.shipping_fee,
            total: quote.total,
            currency: quote.currency,
        }
    }
}

/// Place an order
///
/// Returns the PENDING order at once; its saga confirms or cancels it later. Requests with the same
/// Idempotency-Key place one order and get the first response again. The orders that are placed within
/// the deadline of PENDING orders, and the payments that fail within an hour, are limited for each
/// buyer and each IP address.
#[utoipa::path(
    post, path = "/users/{user_id}/orders",
    params(
        ("user_id" = UserId, Path),
        ("Idempotency-Key" = String, Header, min_length = 1, max_length = 255),
    ),
    request_body = PlaceOrderRequest,
    responses(
        (status = 201, body = Data<OrderBody>,
            headers(("Location" = String), ("Idempotent-Replayed" = Option<bool>))),
        (status = 409, body = ProblemBody, content_type = "application/problem+json",
            description = "`not_orderable` (with `products`) or `price_changed` (with `quote`)"),
    ),
)]
pub(crate) async fn handle(state: PlaceOrderState, request: Request) -> Result<Response, Problem> {
    let PlaceOrderState { store, accounts, settings } = state;
    let command = PlaceOrder {
        user_id: request.path("user_id")?,
        by_supervisor: requester(request.caller()?) == Requester::Supervisor,
        idempotency_key: request.idempotency_key()?,
        request: request.json::<PlaceOrderRequest>()?.parse()?,
        client: request.source.map(ClientDigest::new),
    };
    let terms = placement_terms(&settings).await.map_err(Problem::unavailable)?;
    let render = |order: &_| Response::created(String::new(), &OrderBody::from(order)).body;
    let (now, cause) = (request.now(), request.event_context());
    let placed = place_order(&store, &accounts, &command, &terms, render, now, &cause)
        .await
        .map_err(|error| place_order_problem(error, now))?;
    // The correlation id is known only now: this line relates the request to its order.
    tracing::info!(
        correlation_id = %placed.order_id, replayed = placed.replayed, "order placed"
    );
    let response = Response::raw(201, "application/json", placed.response_body)
        .header("Location", format!("../../orders/{}", placed.order_id));
    Ok(if placed.replayed { response.header("Idempotent-Replayed", "true") } else { response })
}

async fn placement_terms(settings: &Settings) -> Result<PlacementTerms, SettingsError> {
    let pending_deadline = settings.get(&PENDING_DEADLINE).await?;
    let pricing = PricingTerms {
        currency: settings.get(&CURRENCY).await?,
        shipping_fee: settings.get(&SHIPPING_FEE).await?,
        free_shipping_from: settings.get(&FREE_SHIPPING_FROM).await?,
        pending_deadline,
        lines: LineTerms {
            accept_deadline: settings.get(&ACCEPT_DEADLINE).await?,
            cancel_deadline: settings.get(&CANCEL_DEADLINE).await?,
            hold_retry: settings.get(&HOLD_RETRY).await?,
            return_window: settings.get(&RETURN_WINDOW).await?,
            return_deadline: settings.get(&RETURN_DEADLINE).await?,
        },
    };
    let limits = PlacementLimits {
        placements: settings.get(&PLACEMENTS_PER_BUYER).await?,
        window: pending_deadline,
        failed_payments: settings.get(&FAILED_PAYMENTS_PER_BUYER).await?,
    };
    Ok(PlacementTerms { pricing, limits })
}

/// The problem of an order that isn't placed. `Retry-After` counts from `now`.
fn place_order_problem(error: PlaceOrderError, now: Timestamp) -> Problem {
    match error {
        PlaceOrderError::KeyReused => Problem::new(ProblemCode::KeyReused),
        PlaceOrderError::NotOrderable(products) => {
            Problem::new(ProblemCode::NotOrderable).with("products", products)
        }
        PlaceOrderError::NoAddress => {
            Problem::field("address_id", "is not a saved address of the buyer")
        }
        PlaceOrderError::TooLarge => Problem::field("lines", "total is too large"),
        PlaceOrderError::PriceChanged(quote) => {
            Problem::new(ProblemCode::PriceChanged).with("quote", QuoteBody::from(&quote))
        }
        PlaceOrderError::LimitReached { until } => Problem::too_many_requests(now, until),
        PlaceOrderError::Store(error) => error.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::{address, buyer, client, product};
    use rialto_aws::Stage;
    use rialto_kernel::{SessionId, SystemClock};
    use rialto_lambda::caller::{Account, Caller};
    use rialto_testkit::http::{SequenceStub, StubResponse, serve_in_order};
    use serde_json::{Value, json};
    use std::time::Duration;

    const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);

    /// A table in which this client has placed `count` orders in the current window.
    fn table_with_count(count: u32) -> SequenceStub {
        let counter = json!({
            "pk": {"S": format!("CLIENT#{}", client().as_str())},
            "sk": {"S": "COUNTER#PLACEMENTS"},
            "count": {"N": count.to_string()},
            "window_ends": {"N": (NOW.millis() + 60_000).to_string()},
        });
        table_with(&json!([counter]))
    }

    fn empty_table() -> SequenceStub {
        table_with(&json!([]))
    }

    fn table_with(items: &Value) -> SequenceStub {
        let found = json!({"Responses": {"rialto-test-orders": items}});
        serve_in_order(vec![StubResponse::new(200, found.to_string())])
    }

    async fn place(table: &SequenceStub, settings: &[(&str, &str)]) -> Result<Response, Problem> {
        let app = FunctionContext {
            function: "orders-place-order",
            stage: Stage::parse("test").unwrap(),
            aws: rialto_aws::emulator_config(&table.url),
            settings: Arc::new(Settings::fixed(settings)),
            clock: Arc::new(SystemClock),
        };
        let body = json!({
            "lines": [{"product_id": product().product_id, "quantity": 1}],
            "address": address(),
            "payment_method": "pm_card_visa",
        });
        let headers = [("idempotency-key", "k"), ("content-type", "application/json")];
        let mut request = Request::default();
        request.path.insert("user_id".to_owned(), buyer().to_string());
        request.headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        request.body = serde_json::to_vec(&body).unwrap();
        request.source = Some("192.0.2.1".parse().unwrap());
        let caller = Caller { account: Account::User(buyer()), session: SessionId::generate(NOW) };
        let request = request.authenticated_as(caller).received_at(NOW);
        handle(PlaceOrderState::open(&app), request).await
    }

    #[tokio::test]
    async fn an_order_beyond_the_limit_gets_429_and_is_not_stored() {
        let table = table_with_count(500);
        let problem = place(&table, &[]).await.unwrap_err();
        assert_eq!(problem, Problem::too_many_requests(NOW, NOW.plus(Duration::from_secs(60))));
        let requests = table.requests();
        assert_eq!(requests.len(), 1, "only the read");
        let read: Value = serde_json::from_str(&requests[0].body).unwrap();
        let keys = &read["RequestItems"]["rialto-test-orders"]["Keys"];
        assert_eq!(keys.as_array().unwrap().len(), 7, "{keys}");
        assert!(!requests[0].body.contains("192.0.2.1"), "{read}");
    }

    #[tokio::test]
    async fn settings_raise_and_remove_the_limits() {
        for (limit, counters) in [("51", 4), ("0", 2)] {
            let table = if limit == "0" { empty_table() } else { table_with_count(500) };
            let settings = [("orders/placements-per-buyer", limit)];
            let problem = place(&table, &settings).await.unwrap_err();
            // The next check: the table has no such product.
            assert_eq!(problem.code, ProblemCode::NotOrderable, "{limit}");
            let read = &table.requests()[0].body;
            assert_eq!(read.matches("COUNTER#").count(), counters, "{read}");
        }
    }
}
