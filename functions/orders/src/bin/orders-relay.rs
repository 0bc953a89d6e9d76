fn main() {
    rialto_orders::entrypoints::relay::main();
}
