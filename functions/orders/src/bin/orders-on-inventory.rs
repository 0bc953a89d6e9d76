fn main() {
    rialto_orders::entrypoints::on_inventory::main();
}
