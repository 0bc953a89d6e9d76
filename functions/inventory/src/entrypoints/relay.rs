use crate::adapters::dynamodb::stock_threshold_events;

pub fn main() {
    rialto_relay::serve("inventory-relay", Some(stock_threshold_events));
}
