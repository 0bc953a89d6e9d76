fn main() {
    rialto_inventory::entrypoints::relay::main();
}
