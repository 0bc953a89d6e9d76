fn main() {
    rialto_payments::entrypoints::pay_again::main();
}
