fn main() {
    rialto_orders::entrypoints::accept_line::main();
}
