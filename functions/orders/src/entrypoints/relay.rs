pub fn main() {
    rialto_relay::serve("orders-relay", None);
}
