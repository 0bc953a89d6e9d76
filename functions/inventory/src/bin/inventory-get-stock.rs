fn main() {
    rialto_inventory::entrypoints::get_stock::main();
}
