use super::order_timeline;
use crate::{
    api::{Api, ApiError, Session},
    context::Context,
    demo_data::BUYERS,
    failure::Failure,
    output::{print, progress},
    password,
};
use clap::{Args, value_parser};
use rialto_kernel::ProductId;
use serde::Deserialize;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// Place an order as a buyer of the demo shop
///
/// Prints only the order's id on standard output. Needs the accounts created by rialto seed.
#[derive(Debug, Args)]
pub(crate) struct OrderPlace {
    /// The number of the demo shop's buyer
    #[arg(long, value_name = "1-3", default_value_t = 1, value_parser = value_parser!(u8).range(1..=3), hide_possible_values = true)]
    buyer: u8,
    /// The product to order, by default the newest one in stock; can be repeated
    #[arg(long = "product", value_name = "PRODUCT_ID", value_parser = ProductId::parse)]
    products: Vec<ProductId>,
    /// The quantity of each product
    #[arg(long, value_name = "1-999", default_value_t = 1, value_parser = value_parser!(u16).range(1..=999))]
    quantity: u16,
    /// The payment method, by the provider's name
    ///
    /// The simulator accepts pm_card_visa, declines pm_card_chargeDeclined and
    /// pm_card_chargeDeclinedInsufficientFunds, and simulates trouble with pm_sim_slow,
    /// pm_sim_flaky, pm_sim_lost and pm_sim_async. pm_sim_3ds needs the buyer's authentication,
    /// pm_sim_dispute is disputed.
    #[arg(long, value_name = "METHOD", default_value = "pm_card_visa")]
    method: String,
    /// Follow the order, as rialto order timeline --follow does
    #[arg(long)]
    follow: bool,
}

/// How long orders may take to process a product's registration.
const ORDERABLE_DEADLINE: Duration = Duration::from_secs(30);
const POLL: Duration = Duration::from_millis(250);

#[derive(Deserialize)]
struct Product {
    product_id: ProductId,
    status: String,
}

#[derive(Deserialize)]
struct Order {
    order_id: String,
    total: i64,
    currency: String,
    lines: Vec<Line>,
}

#[derive(Deserialize)]
struct Line {
    title: String,
    quantity: u32,
}

impl OrderPlace {
    pub(crate) async fn run(self, context: &Context) -> Result<(), Failure> {
        let api = context.api()?;
        let at = usize::from(self.buyer) - 1;
        let account = context.local.content.accounts.buyers.get(at);
        let account = account.ok_or_else(|| {
            Failure::new(
                format!("{} has no such buyer.", context.local.path.display()),
                "Run rialto seed first; it creates the demo shop and its buyers.",
            )
        })?;
        let session = api.log_in(&account.email, &account.password).await?;
        let products = match self.products.as_slice() {
            [] => vec![in_stock(&api).await?],
            products => products.to_vec(),
        };
        let lines: Vec<Value> = products
            .iter()
            .map(|product| json!({ "product_id": product, "quantity": self.quantity }))
            .collect();
        let body = json!({
            "lines": lines,
            "address": BUYERS[at].address(),
            "payment_method": self.method,
        });
        let order = place(&api, &session, &body).await?;
        for line in &order.lines {
            progress(format!("{} × {}", line.quantity, line.title));
        }
        progress(format!(
            "total {}, paid with {}",
            money(order.total, &order.currency),
            self.method
        ));
        print(&order.order_id)?;
        if self.follow {
            order_timeline::follow(&api, &session, &order.order_id, order_timeline::DEADLINE).await
        } else {
            Ok(())
        }
    }
}

/// The newest product that is for sale.
async fn in_stock(api: &Api) -> Result<ProductId, Failure> {
    let products: Vec<Product> = api.get("/products?limit=100").read().await?;
    let product =
        products.into_iter().find(|product| product.status == "SELL").ok_or_else(|| {
            Failure::new(
                "Nothing is for sale.",
                "Run rialto seed, or give a product with --product.",
            )
        })?;
    Ok(product.product_id)
}

/// Orders learns of a new product from an event; until then it refuses the order. The
/// Idempotency-Key stays unused meanwhile and makes a repeated request harmless.
async fn place(api: &Api, buyer: &Session, body: &Value) -> Result<Order, Failure> {
    let key = password::generate()?;
    let path = format!("/users/{}/orders", buyer.account_id);
    let started = Instant::now();
    let mut reported = false;
    loop {
        match api.post(&path, body.clone()).by(buyer).key(&key).read().await {
            Err(error) if error.is("not_orderable") && started.elapsed() < ORDERABLE_DEADLINE => {
                if !reported {
                    progress("not orderable yet: waiting for orders to process its registration");
                    reported = true;
                }
                tokio::time::sleep(POLL).await;
            }
            result => return result.map_err(ApiError::into),
        }
    }
}

/// `42.90 EUR`, as most currencies are written.
fn money(minor_units: i64, currency: &str) -> String {
    format!("{}.{:02} {currency}", minor_units / 100, minor_units % 100)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_have_two_decimals() {
        assert_eq!(money(4290, "EUR"), "42.90 EUR");
        assert_eq!(money(5, "EUR"), "0.05 EUR");
    }
}
