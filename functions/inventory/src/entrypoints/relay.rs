use crate::adapters::dynamodb::depleted_or_replenished;

pub fn main() {
    rialto_relay::serve("inventory-relay", Some(depleted_or_replenished));
}
