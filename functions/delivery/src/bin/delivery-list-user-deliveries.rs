fn main() {
    rialto_delivery::entrypoints::list_user_deliveries::main();
}
