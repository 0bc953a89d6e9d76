fn main() {
    rialto_catalog::entrypoints::register_product::main();
}
