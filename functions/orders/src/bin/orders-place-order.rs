fn main() {
    rialto_orders::entrypoints::place_order::main();
}
