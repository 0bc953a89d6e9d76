fn main() {
    rialto_orders::entrypoints::reject_line::main();
}
