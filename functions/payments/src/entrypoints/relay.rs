pub fn main() {
    rialto_relay::serve("payments-relay", None);
}
