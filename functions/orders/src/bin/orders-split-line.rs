fn main() {
    rialto_orders::entrypoints::split_line::main();
}
