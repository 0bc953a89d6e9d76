pub fn main() {
    rialto_relay::serve("accounts-relay", None);
}
