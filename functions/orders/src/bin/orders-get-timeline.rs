fn main() {
    rialto_orders::entrypoints::get_timeline::main();
}
