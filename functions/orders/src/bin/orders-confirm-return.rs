fn main() {
    rialto_orders::entrypoints::confirm_return::main();
}
