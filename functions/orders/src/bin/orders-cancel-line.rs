fn main() {
    rialto_orders::entrypoints::cancel_line::main();
}
