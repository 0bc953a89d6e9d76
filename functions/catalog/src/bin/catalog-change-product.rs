fn main() {
    rialto_catalog::entrypoints::change_product::main();
}
