fn main() {
    rialto_catalog::entrypoints::list_seller_products::main();
}
