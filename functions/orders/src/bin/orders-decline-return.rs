fn main() {
    rialto_orders::entrypoints::decline_return::main();
}
