fn main() {
    rialto_catalog::entrypoints::relay::main();
}
