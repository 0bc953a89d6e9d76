fn main() {
    rialto_platform::entrypoints::simulate_provider::main();
}
