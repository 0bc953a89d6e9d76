fn main() {
    rialto_orders::entrypoints::on_delivery::main();
}
