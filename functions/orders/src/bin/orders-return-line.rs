fn main() {
    rialto_orders::entrypoints::return_line::main();
}
