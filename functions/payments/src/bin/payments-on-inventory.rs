fn main() {
    rialto_payments::entrypoints::on_inventory::main();
}
