fn main() {
    rialto_orders::entrypoints::get_order::main();
}
