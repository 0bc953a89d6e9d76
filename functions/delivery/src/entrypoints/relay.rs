pub fn main() {
    rialto_relay::serve("delivery-relay", None);
}
