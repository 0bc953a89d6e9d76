fn main() {
    rialto_platform::entrypoints::get_health::main();
}
