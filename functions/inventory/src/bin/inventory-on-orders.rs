fn main() {
    rialto_inventory::entrypoints::on_orders::main();
}
