fn main() {
    rialto_platform::entrypoints::get_openapi::main();
}
