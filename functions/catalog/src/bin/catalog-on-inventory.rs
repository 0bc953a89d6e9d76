fn main() {
    rialto_catalog::entrypoints::on_inventory::main();
}
