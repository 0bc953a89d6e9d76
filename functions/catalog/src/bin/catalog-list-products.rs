fn main() {
    rialto_catalog::entrypoints::list_products::main();
}
