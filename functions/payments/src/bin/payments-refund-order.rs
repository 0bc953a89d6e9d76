fn main() {
    rialto_payments::entrypoints::refund_order::main();
}
