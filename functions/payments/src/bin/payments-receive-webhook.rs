fn main() {
    rialto_payments::entrypoints::receive_webhook::main();
}
