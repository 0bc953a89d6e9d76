fn main() {
    rialto_orders::entrypoints::on_payments::main();
}
