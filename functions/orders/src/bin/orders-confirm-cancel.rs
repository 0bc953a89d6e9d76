fn main() {
    rialto_orders::entrypoints::confirm_cancel::main();
}
