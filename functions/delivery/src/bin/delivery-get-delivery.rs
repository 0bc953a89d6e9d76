fn main() {
    rialto_delivery::entrypoints::get_delivery::main();
}
