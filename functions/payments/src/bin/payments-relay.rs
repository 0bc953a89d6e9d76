fn main() {
    rialto_payments::entrypoints::relay::main();
}
