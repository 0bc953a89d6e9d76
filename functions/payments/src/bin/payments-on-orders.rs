fn main() {
    rialto_payments::entrypoints::on_orders::main();
}
