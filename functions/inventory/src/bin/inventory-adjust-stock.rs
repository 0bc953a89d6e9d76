fn main() {
    rialto_inventory::entrypoints::adjust_stock::main();
}
