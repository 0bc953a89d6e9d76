use crate::{adapters::dynamodb::DynamoCatalog, application::on_stock_changed::on_stock_changed};
use rialto_contracts::inventory::Inventory;
use rialto_lambda::sqs::{self, Failure, Message, Outcome};

pub fn main() {
    sqs::consume("catalog-on-inventory", 10, |app| sqs::handler(DynamoCatalog::open(app), handle));
}

async fn handle(store: DynamoCatalog, message: Message) -> Result<Outcome, Failure> {
    let (product, in_stock) = match Inventory::decode(&message.event)? {
        Inventory::StockDepleted(depleted) => (depleted.product_id, false),
        Inventory::StockReplenished(replenished) => (replenished.product_id, true),
        Inventory::StockReserved(_)
        | Inventory::StockRejected(_)
        | Inventory::StockReleased(_)
        | Inventory::Other => return Ok(Outcome::Ignored),
    };
    Ok(on_stock_changed(&store, product, in_stock, message.event.sequence).await?.into())
}
