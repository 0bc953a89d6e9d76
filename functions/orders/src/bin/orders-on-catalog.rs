fn main() {
    rialto_orders::entrypoints::on_catalog::main();
}
