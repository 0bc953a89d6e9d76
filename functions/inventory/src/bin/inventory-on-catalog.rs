fn main() {
    rialto_inventory::entrypoints::on_catalog::main();
}
