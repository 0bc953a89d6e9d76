use super::get_order::OrderBody;
use crate::{
    adapters::{accounts::AccountsClient, dynamodb::DynamoOrders},
    application::place_order::{PlaceOrder, PlaceOrderError, place_order},
    domain::{
        quote::{PricingTerms, Quote},
        request::{MAX_LINES, OrderRequest, PaymentMethod, RequestedLine, ShippingAddress},
    },
};
use rialto_kernel::{
    Address, AddressId, Amount, Currency, Fields, Invalid, Phone, ProductId, Quantity, Text,
    UserId,
    settings::{CURRENCY, FREE_SHIPPING_FROM, PENDING_DEADLINE, SHIPPING_FEE},
};
use rialto_lambda::{
    FunctionContext,
    http::{self, Data, Problem, ProblemBody, ProblemCode, Request, Response},
    settings::{Settings, SettingsError},
};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use utoipa::ToSchema;

pub fn main() {
    http::serve("orders-place-order", build);
}

fn build(app: &FunctionContext) -> http::Handler {
    let (store, accounts) = (DynamoOrders::open(app), AccountsClient::new(app));
    let settings = Arc::clone(&app.settings);
    settings.prefetch(&[
        CURRENCY.name,
        SHIPPING_FEE.name,
        FREE_SHIPPING_FROM.name,
        PENDING_DEADLINE.name,
    ]);
    Arc::new(move |request| {
        let (store, accounts, settings) = (store.clone(), accounts.clone(), Arc::clone(&settings));
        Box::pin(async move { handle(&store, &accounts, &settings, &request).await })
    })
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PlaceOrderRequest {
    #[schema(min_items = 1, max_items = 20)]
    lines: Vec<LineRequest>,
    /// Either this or `address_id`.
    address: Option<AddressRequest>,
    /// One of the buyer's own addresses.
    #[schema(value_type = Option<AddressId>)]
    address_id: Option<String>,
    /// The provider's name for a means of payment, such as `pm_card_visa`.
    #[schema(pattern = "^pm_[A-Za-z0-9_]{1,61}$")]
    payment_method: String,
    /// Refuses the order if it would cost anything else, in minor units.
    #[schema(minimum = 0, maximum = 1_000_000_000_000i64)]
    expected_total: Option<i64>,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct LineRequest {
    #[schema(value_type = ProductId)]
    product_id: String,
    #[schema(minimum = 1, maximum = 999)]
    quantity: i64,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct AddressRequest {
    #[schema(min_length = 1, max_length = 80)]
    receiver: String,
    #[schema(min_length = 1, max_length = 120)]
    line1: String,
    #[schema(min_length = 1, max_length = 120)]
    line2: Option<String>,
    #[schema(min_length = 1, max_length = 12)]
    zipcode: String,
    /// 5 to 15 digits, `+` before them or not.
    phone: String,
    /// DOOR, SELF, OFFICE, POST or ETC.
    drop_off: String,
    #[schema(min_length = 1, max_length = 200)]
    note: Option<String>,
}

impl PlaceOrderRequest {
    fn parse(self) -> Result<OrderRequest<ShippingAddress>, Invalid> {
        let mut fields = Fields::default();
        if self.lines.is_empty() || self.lines.len() > MAX_LINES {
            fields.reject("lines", format!("must be 1 to {MAX_LINES}"));
        }
        let mut lines = Vec::new();
        for (at, line) in self.lines.iter().enumerate().take(MAX_LINES) {
            let product_id =
                fields.field(format!("lines[{at}].product_id"), ProductId::parse(&line.product_id));
            let quantity =
                fields.field(format!("lines[{at}].quantity"), Quantity::new(line.quantity));
            if let (Some(product_id), Some(quantity)) = (product_id, quantity) {
                lines.push(RequestedLine { product_id, quantity });
            }
        }
        let address = destination(self.address, self.address_id, &mut fields);
        let payment_method =
            fields.field("payment_method", PaymentMethod::parse(&self.payment_method));
        let expected_total = self
            .expected_total
            .and_then(|total| fields.field("expected_total", Amount::new(total)));
        let whole = address.zip(payment_method).map(|(address, payment_method)| OrderRequest {
            lines,
            address,
            payment_method,
            expected_total,
        });
        fields.build(whole)
    }
}

fn destination(
    written: Option<AddressRequest>,
    kept: Option<String>,
    fields: &mut Fields,
) -> Option<ShippingAddress> {
    match (written, kept) {
        (Some(written), None) => written.parse(fields).map(ShippingAddress::Inline),
        (None, Some(kept)) => {
            fields.field("address_id", AddressId::parse(&kept)).map(ShippingAddress::Saved)
        }
        (written, _) => {
            let which = if written.is_some() { "address_id" } else { "address" };
            fields.reject(which, "give either address or address_id".to_owned());
            None
        }
    }
}

impl AddressRequest {
    fn parse(self, fields: &mut Fields) -> Option<Address> {
        let receiver = fields.field("address.receiver", Text::parse(&self.receiver));
        let line1 = fields.field("address.line1", Text::parse(&self.line1));
        let line2 = self.line2.and_then(|text| fields.field("address.line2", Text::parse(&text)));
        let zipcode = fields.field("address.zipcode", Text::parse(&self.zipcode));
        let phone = fields.field("address.phone", Phone::parse(&self.phone));
        let drop_off = fields.field("address.drop_off", self.drop_off.parse());
        let note = self.note.and_then(|text| fields.field("address.note", Text::parse(&text)));
        Some(Address {
            receiver: receiver?,
            line1: line1?,
            line2,
            zipcode: zipcode?,
            phone: phone?,
            drop_off: drop_off?,
            note,
        })
    }
}

/// What the order would cost now, in minor units of `currency`.
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
/// Answers at once with the order PENDING; its saga confirms or cancels it. The same Idempotency-Key places one order
/// and gets the first answer again.
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
pub(crate) async fn handle(
    store: &DynamoOrders,
    accounts: &AccountsClient,
    settings: &Settings,
    request: &Request,
) -> Result<Response, Problem> {
    let command = PlaceOrder {
        user_id: request.path("user_id")?,
        idempotency_key: request.idempotency_key()?,
        request: request.json::<PlaceOrderRequest>()?.parse()?,
    };
    let terms = terms(settings).await.map_err(Problem::unavailable)?;
    let location = |order_id| format!("../../orders/{order_id}");
    let answer = |order: &_| Response::created(String::new(), &OrderBody::from(order)).body;
    let placed =
        place_order(store, accounts, &command, &terms, answer, request.now(), &request.cause())
            .await?;
    // Its correlation is known only now; with this line, whoever looks for the order finds the request.
    tracing::info!(correlation_id = %placed.order_id, replayed = placed.replayed, "placed");
    let reply = Response::raw(201, "application/json", placed.answer)
        .header("Location", location(placed.order_id));
    Ok(if placed.replayed { reply.header("Idempotent-Replayed", "true") } else { reply })
}

async fn terms(settings: &Settings) -> Result<PricingTerms, SettingsError> {
    Ok(PricingTerms {
        currency: settings.get(&CURRENCY).await?,
        shipping_fee: settings.get(&SHIPPING_FEE).await?,
        free_shipping_from: settings.get(&FREE_SHIPPING_FROM).await?,
        pending_deadline: settings.get(&PENDING_DEADLINE).await?,
    })
}

impl From<PlaceOrderError> for Problem {
    fn from(error: PlaceOrderError) -> Self {
        match error {
            PlaceOrderError::KeyReused => Self::new(ProblemCode::KeyReused),
            PlaceOrderError::NotOrderable(products) => {
                Self::new(ProblemCode::NotOrderable).with("products", products)
            }
            PlaceOrderError::NoAddress => {
                Self::field("address_id", "is none of the buyer's addresses")
            }
            PlaceOrderError::TooLarge => Self::field("lines", "cost too much together"),
            PlaceOrderError::PriceChanged(quote) => {
                Self::new(ProblemCode::PriceChanged).with("quote", QuoteBody::from(&quote))
            }
            PlaceOrderError::Store(error) => error.into(),
        }
    }
}
