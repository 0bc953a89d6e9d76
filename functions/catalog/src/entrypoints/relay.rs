pub fn main() {
    rialto_relay::serve("catalog-relay", None);
}
