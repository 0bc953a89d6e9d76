fn main() {
    rialto_orders::entrypoints::answer_services::main();
}
