fn main() {
    rialto_delivery::entrypoints::on_orders::main();
}
