fn main() {
    rialto_delivery::entrypoints::set_status::main();
}
