fn main() {
    rialto_inventory::entrypoints::list_movements::main();
}
