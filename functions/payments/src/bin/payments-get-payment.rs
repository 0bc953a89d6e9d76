fn main() {
    rialto_payments::entrypoints::get_payment::main();
}
