fn main() {
    rialto_catalog::entrypoints::set_product_status::main();
}
