fn main() {
    rialto_orders::entrypoints::sweep::main();
}
