fn main() {
    rialto_orders::entrypoints::list_seller_orders::main();
}
