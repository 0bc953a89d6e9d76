fn main() {
    rialto_platform::entrypoints::simulate_webhooks::main();
}
