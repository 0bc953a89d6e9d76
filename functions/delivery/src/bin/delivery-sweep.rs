fn main() {
    rialto_delivery::entrypoints::sweep::main();
}
