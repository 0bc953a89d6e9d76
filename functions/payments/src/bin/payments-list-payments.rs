fn main() {
    rialto_payments::entrypoints::list_payments::main();
}
