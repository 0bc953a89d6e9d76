fn main() {
    rialto_delivery::entrypoints::relay::main();
}
