fn main() {
    rialto_orders::entrypoints::list_orders::main();
}
