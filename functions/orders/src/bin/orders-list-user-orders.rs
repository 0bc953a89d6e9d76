fn main() {
    rialto_orders::entrypoints::list_user_orders::main();
}
