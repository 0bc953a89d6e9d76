fn main() {
    rialto_catalog::entrypoints::get_product::main();
}
