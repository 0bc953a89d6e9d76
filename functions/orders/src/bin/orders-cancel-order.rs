fn main() {
    rialto_orders::entrypoints::cancel_order::main();
}
